"""Every name and limit that the stacks are built with; `${Project}` and its kind are filled in by CloudFormation."""

from typing import Final

PROJECT_LENGTH_MAX: Final = 20
# As CloudFormation fills it in.
PROJECT_REFERENCE: Final = "${Project}"

# --- GPU cluster -----------------------------------------------------------------------------------------------------

CLUSTER_NAME: Final = "${Project}-sdxl-gpu-cluster"
LAUNCH_TEMPLATE_NAME: Final = "${Project}-gpu-template"
AUTO_SCALING_GROUP_NAME: Final = "${Project}-gpu-asg"
CAPACITY_PROVIDER_NAME: Final = "${Project}-gpu-capacity-provider"
TASK_FAMILY: Final = "${Project}-sdxl-gpu-task"
GPU_LOG_GROUP_NAME: Final = "/ecs/${Project}-sdxl-gpu"
CONTAINER_NAME: Final = "sdxl"

# In order of preference: the first that a zone can give is launched.
GPU_INSTANCE_TYPES: Final = ("g4dn.xlarge", "g4dn.2xlarge", "g5.xlarge", "g6.xlarge")
# Each combination has one NVIDIA GPU, an x86 processor, NVMe instance store, and at least what a task asks for.
GPU_INSTANCE_FAMILIES: Final = ("g4dn", "g5", "g6", "g6e")
GPU_INSTANCE_SIZES: Final = ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
NO_INSTANCE_TYPE: Final = "none"
INSTANCES_MIN: Final = 0
INSTANCES_DESIRED: Final = 1
INSTANCES_MAX: Final = 2
ON_DEMAND_BASE_INSTANCES: Final = 0
ON_DEMAND_PERCENT_ABOVE_BASE: Final = 100

TARGET_CAPACITY_PERCENT: Final = 100
# From zero instances, ECS may ask for more than one for a single task; the step keeps it at one.
SCALING_STEP_MIN: Final = 1
SCALING_STEP_MAX: Final = 1
INSTANCE_WARMUP_SECONDS: Final = 300

TASK_CPU_UNITS: Final = 2048
TASK_MEMORY_MIB: Final = 14_336
TASK_GPUS: Final = 1
# What a g4dn.xlarge, the smallest host, can give to tasks: 4 vCPUs, and the 15,731 MiB that it registers with a margin.
HOST_CPU_UNITS_MAX: Final = 4096
HOST_MEMORY_MIB_MAX: Final = 15_360

GPU_AMI_PARAMETER: Final = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
ROOT_DEVICE_NAME: Final = "/dev/xvda"
# The CUDA image is about 10 GB packed and twice that unpacked; the rest is room for the model where there is no NVMe.
ROOT_VOLUME_GIB: Final = 100
ROOT_VOLUME_TYPE: Final = "gp3"
# 1: a container in bridge mode is one hop further away, so the host's credentials stay on the host.
METADATA_HOP_LIMIT: Final = 1

IMAGE_TAG: Final = "v1"
IMAGE_TAG_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"
IMAGE_TAG_CONSTRAINT: Final = "Give a tag of up to 128 letters, digits, dots, hyphens and underscores, such as v1."
LOG_BUFFER_SIZE: Final = "4m"
MODEL: Final = "stabilityai/stable-diffusion-xl-base-1.0"
HOST_CACHE_DIRECTORY: Final = "/mnt/model-cache"
CONTAINER_CACHE_DIRECTORY: Final = "/var/cache/gameforge"
CACHE_VOLUME_NAME: Final = "model-cache"

# --- Foundation ------------------------------------------------------------------------------------------------------

IMAGES_BUCKET_NAME: Final = "${Project}-images-${AWS::AccountId}-${AWS::Region}"
MODELS_BUCKET_NAME: Final = "${Project}-models-${AWS::AccountId}-${AWS::Region}"
ARTIFACTS_BUCKET_NAME: Final = "${Project}-artifacts-${AWS::AccountId}-${AWS::Region}"
JOBS_TABLE_NAME: Final = "${Project}-jobs"
GPU_QUEUE_NAME: Final = "${Project}-gpu-jobs"
CPU_QUEUE_NAME: Final = "${Project}-cpu-jobs"
DEAD_LETTER_QUEUE_NAME: Final = "${Project}-dead-letters"
REPOSITORY_NAME: Final = "${Project}-sdxl"
ALERT_TOPIC_NAME: Final = "${Project}-alerts"
TRAFFIC_PARAMETER_NAME: Final = "/${Project}/traffic/gpu-percent"
TRAFFIC_GPU_PERCENT: Final = 100

KEYS_TABLE_NAME: Final = "${Project}-keys"
USAGE_TABLE_NAME: Final = "${Project}-usage"

IMAGES_KEPT_DAYS: Final = 30
UNFINISHED_UPLOADS_KEPT_DAYS: Final = 1
CONTAINER_IMAGES_KEPT: Final = 10
MESSAGES_KEPT_SECONDS: Final = 4 * 24 * 3600
# The longest that SQS offers: a dead letter is a job that somebody has to look at.
DEAD_LETTERS_KEPT_SECONDS: Final = 14 * 24 * 3600
LONG_POLL_SECONDS: Final = 20

# --- API -------------------------------------------------------------------------------------------------------------

API_NAME: Final = "${Project}-api"
API_FUNCTION_NAME: Final = "${Project}-api"
API_FUNCTION_LOG_GROUP_NAME: Final = "/aws/lambda/${Project}-api"
SWEEP_FUNCTION_NAME: Final = "${Project}-api-sweep"
SWEEP_LOG_GROUP_NAME: Final = "/aws/lambda/${Project}-api-sweep"
SWEEP_RULE_NAME: Final = "${Project}-api-sweep"
SWEEP_SCHEDULE: Final = "rate(1 minute)"
SWEEP_TIMEOUT_SECONDS: Final = 50
API_ACCESS_LOG_GROUP_NAME: Final = "/aws/apigateway/${Project}-api"
API_STAGE_NAME: Final = "live"
API_PATH: Final = "v1"
AUTHORIZER_NAME: Final = "${Project}-authorizer"
AUTHORIZER_LOG_GROUP_NAME: Final = "/aws/lambda/${Project}-authorizer"

LAMBDA_RUNTIME: Final = "python3.11"
LAMBDA_ARCHITECTURE: Final = "x86_64"
# A cold start costs about 0.5 s of CPU, and CPU comes with memory: 0.8 s at 1,024 MB, 1.6 s at 512. A held request
# (`Prefer: wait`) is billed for its memory while it waits, which is why this is not a whole vCPU (1,769 MB).
LAMBDA_MEMORY_MB: Final = 1024
# API Gateway gives up after 29 s.
LAMBDA_TIMEOUT_SECONDS: Final = 29
# It reads one item; the memory is for the CPU that comes with it, at a cold start.
AUTHORIZER_MEMORY_MB: Final = 512
AUTHORIZER_TIMEOUT_SECONDS: Final = 10

WEBHOOKS_NAME: Final = "${Project}-webhooks"
WEBHOOKS_LOG_GROUP_NAME: Final = "/aws/lambda/${Project}-webhooks"
WEBHOOK_QUEUE_NAME: Final = "${Project}-webhooks"
WEBHOOKS_MEMORY_MB: Final = 512
# A receiver has 10 s to answer.
WEBHOOKS_TIMEOUT_SECONDS: Final = 30
WEBHOOKS_CONCURRENCY_MAX: Final = 10
# Eight attempts in 17 hours, each later than the one before.
WEBHOOK_RETRY_SECONDS: Final = (5, 60, 300, 1800, 7200, 18_000, 36_000)

STAGE_REQUESTS_PER_SECOND: Final = 100
STAGE_REQUESTS_BURST: Final = 200
IMAGE_SIZE_PX: Final = 1024
# As much as 16 pictures of 1024 x 1024 at 25 steps: about seven minutes of a T4.
PIXEL_STEPS_MAX: Final = 16 * 1024 * 1024 * 25
GATEWAY_LOGS_POLICY: Final = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"

# --- Observability ---------------------------------------------------------------------------------------------------

DASHBOARD_NAME: Final = "${Project}"
LAUNCH_FAILURES_RULE_NAME: Final = "${Project}-launch-failures"
# From no host at all, image and model included, the first picture takes up to a quarter of an hour.
OLDEST_JOB_SECONDS_MAX: Final = 900
ERROR_PERCENT_MAX: Final = 5
# A cold start of the function takes one to two seconds.
LATENCY_MILLISECONDS_MAX: Final = 2000
# One g4dn.xlarge around the clock is $12.62.
DAILY_COST_DOLLARS_MAX: Final = 15

# --- Image -----------------------------------------------------------------------------------------------------------

BUILD_PROJECT_NAME: Final = "${Project}-image"
BUILD_LOG_GROUP_NAME: Final = "/aws/codebuild/${Project}-image"
BUILD_IMAGE: Final = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
# 128 GB of disk: the CUDA image and its layers need about 30.
BUILD_COMPUTE_TYPE: Final = "BUILD_GENERAL1_MEDIUM"
BUILD_TIMEOUT_MINUTES: Final = 60
SOURCE_KEY: Final = "source/gameforge.zip"

# --- Network ---------------------------------------------------------------------------------------------------------

VPC_CIDR: Final = "10.42.0.0/16"
ZONES: Final = 3
# 7 bits are 128 addresses a subnet, of which AWS keeps 5: room for every host, and six of them fit into a /22.
SUBNET_ADDRESS_BITS: Final = 7

# --- Everywhere ------------------------------------------------------------------------------------------------------

LOG_KEPT_DAYS: Final = 30
# What CloudWatch Logs accepts, from a day to two years.
LOG_KEPT_DAYS_CHOICES: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731)
TEMPLATE_BYTES_MAX: Final = 51_200

# Exports are named `${Project}-` and one of these.
EXPORT_IMAGES_BUCKET: Final = "images-bucket"
EXPORT_MODELS_BUCKET: Final = "models-bucket"
EXPORT_ARTIFACTS_BUCKET: Final = "artifacts-bucket"
EXPORT_JOBS_TABLE: Final = "jobs-table"
EXPORT_JOBS_TABLE_STREAM_ARN: Final = "jobs-table-stream-arn"
EXPORT_KEYS_TABLE: Final = "keys-table"
EXPORT_USAGE_TABLE: Final = "usage-table"
EXPORT_GPU_QUEUE_URL: Final = "gpu-queue-url"
EXPORT_GPU_QUEUE_ARN: Final = "gpu-queue-arn"
EXPORT_CPU_QUEUE_URL: Final = "cpu-queue-url"
EXPORT_CPU_QUEUE_ARN: Final = "cpu-queue-arn"
EXPORT_DEAD_LETTER_QUEUE_URL: Final = "dead-letter-queue-url"
EXPORT_DEAD_LETTER_QUEUE_ARN: Final = "dead-letter-queue-arn"
EXPORT_REPOSITORY_URI: Final = "repository-uri"
EXPORT_REPOSITORY_ARN: Final = "repository-arn"
EXPORT_ALERT_TOPIC_ARN: Final = "alert-topic-arn"
EXPORT_TRAFFIC_PARAMETER: Final = "traffic-parameter"
EXPORT_CLUSTER_NAME: Final = "gpu-cluster-name"
EXPORT_CAPACITY_PROVIDER: Final = "gpu-capacity-provider"
EXPORT_AUTO_SCALING_GROUP: Final = "gpu-asg"
EXPORT_GPU_LOG_GROUP: Final = "gpu-log-group"
EXPORT_BUILD_PROJECT: Final = "build-project"
EXPORT_VPC: Final = "vpc"
EXPORT_PUBLIC_SUBNETS: Final = "public-subnets"
EXPORT_PRIVATE_SUBNETS: Final = "private-subnets"
EXPORT_API_ID: Final = "api-id"
EXPORT_API_STAGE: Final = "api-stage"
EXPORT_API_URL: Final = "api-url"
EXPORT_API_FUNCTION: Final = "api-function"
EXPORT_API_LOG_GROUP: Final = "api-log-group"
