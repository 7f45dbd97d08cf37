"""Names that the templates, the API and the worker agree on: environment variables, table keys and indexes, limits."""

from typing import Final

# Environment variables. The templates set them, `jobs.settings` reads them.
ENV_PROJECT: Final = "GAMEFORGE_PROJECT"
PROJECT_DEFAULT: Final = "gameforge"
ENV_JOBS_TABLE: Final = "GAMEFORGE_JOBS_TABLE"
ENV_IMAGES_BUCKET: Final = "GAMEFORGE_IMAGES_BUCKET"
ENV_GPU_QUEUE_URL: Final = "GAMEFORGE_GPU_QUEUE_URL"
ENV_CPU_QUEUE_URL: Final = "GAMEFORGE_CPU_QUEUE_URL"
# A worker reads one queue; which one is its deployment's choice.
ENV_QUEUE_URL: Final = "GAMEFORGE_QUEUE_URL"
# Where messages go that no worker can finish; without it they stay on their queue until SQS moves them.
ENV_DEAD_LETTER_QUEUE_URL: Final = "GAMEFORGE_DEAD_LETTER_QUEUE_URL"
ENV_MODEL: Final = "GAMEFORGE_MODEL"
ENV_CACHE_DIRECTORY: Final = "GAMEFORGE_CACHE_DIRECTORY"
# In the cache directory, by the host: which instance it is, because a container can't ask. A worker's variables win:
# the instance type, the dollars that an hour of a whole host costs, and the part of the list price that spot costs.
HOST_FILE: Final = "host.json"
ENV_INSTANCE_TYPE: Final = "GAMEFORGE_INSTANCE_TYPE"
ENV_DOLLARS_PER_HOUR: Final = "GAMEFORGE_DOLLARS_PER_HOUR"
ENV_SPOT_PRICE_FACTOR: Final = "GAMEFORGE_SPOT_PRICE_FACTOR"

# The jobs table: one item a job.
JOB_ID: Final = "job_id"
OWNER: Final = "owner"
STATUS: Final = "status"
CREATED_AT: Final = "created_at"
EXPIRES_AT: Final = "expires_at"
OWNER_INDEX: Final = "by-owner"
STATUS_INDEX: Final = "by-status"

# A worker renews a message's invisibility while its job runs, so this only has to outlast a lost worker's silence.
VISIBILITY_TIMEOUT_SECONDS: Final = 60
# Receipts are not attempts (a job that was handed back costs none), so the queue's own limit is the last resort: it has
# to outlast an outage of the table, during which each receipt comes to nothing.
MAX_RECEIVE_COUNT: Final = 100
# From SIGTERM to SIGKILL, inside the 120 s between a spot notice and the reclaim. The worker exits well before.
STOP_TIMEOUT_SECONDS: Final = 90

LAMBDA_HANDLER: Final = "lambda_api.handler.handler"
SWEEP_HANDLER: Final = "lambda_api.sweep.handler"
WORKER_COMMAND: Final = ("python", "-m", "gpu_service")
# Asks the worker in the same container; the image says where it listens.
HEALTH_COMMAND: Final = ("python", "-m", "gpu_service.health")

# How long a worker may fall silent before its job goes to another one, in seconds; default VISIBILITY_TIMEOUT_SECONDS.
ENV_LEASE_SECONDS: Final = "GAMEFORGE_LEASE_SECONDS"
# The picture size, in pixels, of a request that names none: what the deployed model was trained for.
ENV_DEFAULT_SIZE_PX: Final = "GAMEFORGE_DEFAULT_SIZE_PX"
# How the UNet is compiled: regional, full or off; the worker's plan decides where it is left out.
ENV_COMPILE: Final = "GAMEFORGE_COMPILE"
# The shortest time, in seconds, after which a silent step counts as a hung device; the worker raises it to its pace.
ENV_STEP_BUDGET_SECONDS: Final = "GAMEFORGE_STEP_BUDGET_SECONDS"
# "true" asks the EC2 instance metadata for spot notices. Needs hosts whose metadata a container can reach.
ENV_WATCH_SPOT_NOTICES: Final = "GAMEFORGE_WATCH_SPOT_NOTICES"

# API keys and what they have used.
ENV_KEYS_TABLE: Final = "GAMEFORGE_KEYS_TABLE"
ENV_USAGE_TABLE: Final = "GAMEFORGE_USAGE_TABLE"
# The usage table: one item a counter; its items expire by EXPIRES_AT.
USAGE_ID: Final = "usage_id"
AUTHORIZER_HANDLER: Final = "lambda_api.authorizer.handler"
# What the authorizer tells the API about a caller, beside the limits by the names of `jobs.keys.Limits`.
CALLER: Final = "caller"

# How long one request of a client that can't poll is held before it is sent round again; default 25.
ENV_HOLD_SECONDS: Final = "GAMEFORGE_HOLD_SECONDS"

# Webhooks: their own function, fed by the jobs table's stream and by its own queue.
WEBHOOKS_HANDLER: Final = "lambda_api.webhooks.handler"
WEBHOOK_URL: Final = "webhook_url"
ENV_WEBHOOK_QUEUE_URL: Final = "GAMEFORGE_WEBHOOK_QUEUE_URL"
# Seconds before each further attempt, separated by commas.
ENV_WEBHOOK_RETRY_SECONDS: Final = "GAMEFORGE_WEBHOOK_RETRY_SECONDS"
# For tests alone, and in no template: a network that webhooks may go to although it is not public.
ENV_WEBHOOK_TEST_NETWORK: Final = "GAMEFORGE_WEBHOOK_TEST_NETWORK"

# What the deployed model calls itself.
ENV_MODEL_NAME: Final = "GAMEFORGE_MODEL_NAME"
# The most that one job may cost: width x height x steps x images.
ENV_PIXEL_STEPS_MAX: Final = "GAMEFORGE_PIXEL_STEPS_MAX"
# "true" writes prompts into the log.
ENV_LOG_PROMPTS: Final = "GAMEFORGE_LOG_PROMPTS"

# What errors look like, whether the API or the gateway in front of it answers.
PROBLEM_CONTENT_TYPE: Final = "application/problem+json"
PROBLEM_TYPE_PREFIX: Final = "urn:gameforge:problem:"
CORRELATION_HEADER: Final = "x-correlation-id"
# Paths that need no key.
OPEN_PATHS: Final = ("/docs", "/openapi.json")
