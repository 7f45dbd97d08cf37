"""The GPU task: the worker's container, what it may do, and where its log goes."""

from dataclasses import dataclass
from typing import Any, Final

from troposphere import GetAtt, Parameter, Ref, Region, Sub, Template, ecs, iam, logs

from jobs import names
from stacks import constants as c
from stacks import parameters, policies, role_policies
from stacks.log_groups import log_group
from stacks.template import add, export, import_value, output, project_tags

HEALTH_INTERVAL_SECONDS: Final = 30
HEALTH_TIMEOUT_SECONDS: Final = 20
HEALTH_RETRIES: Final = 3
# The most that ECS allows: PyTorch is read from a cold disk before the worker answers.
HEALTH_START_SECONDS: Final = 300


@dataclass(frozen=True)
class TaskParameters:
    """What an operator may choose about the worker."""

    image_tag: Parameter
    model: Parameter
    dollars_per_hour: Parameter
    spot_price_factor: Parameter
    log_kept_days: Parameter


def task_parameters() -> TaskParameters:
    """The parameters, with their defaults."""
    return TaskParameters(
        image_tag=parameters.text(
            "ImageTag",
            "Tag of the worker's image in the container repository of the foundation stack.",
            default=c.IMAGE_TAG,
            pattern=c.IMAGE_TAG_PATTERN,
            constraint=c.IMAGE_TAG_CONSTRAINT,
        ),
        model=parameters.text(
            "Model",
            "What the worker draws with: a model of the Hugging Face hub, a prefix of the models bucket "
            "(s3://bucket/prefix), or a directory inside the image.",
            default=c.MODEL,
            pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?|/.+|[\w.-]+/[\w.-]+)$",
            constraint=f"Give a hub id such as {c.MODEL}, an s3:// prefix, or an absolute path.",
        ),
        dollars_per_hour=parameters.text(
            "DollarsPerHour",
            "What an hour of one host costs you, in dollars, for the cost of each job. Empty takes AWS's on-demand "
            "list price of the host's own type and region.",
            default="",
            pattern=r"^([0-9]{1,3}(\.[0-9]{1,6})?)?$",
            constraint="Give dollars, such as 0.526, or nothing.",
        ),
        spot_price_factor=parameters.text(
            "SpotPriceFactor",
            "The part of the list price that you pay for a spot host, for the cost of each job. AWS publishes none: 1 "
            "counts spot hosts as if they were on-demand.",
            default="1",
            pattern=r"^(1|0\.[0-9]{1,4})$",
            constraint="Give a number from 0 to 1, such as 0.35.",
        ),
        log_kept_days=parameters.log_kept_days(),
    )


def add_task(template: Template, chosen: TaskParameters) -> None:
    """Add log group, roles and task definition, and their outputs."""
    lines = log_group("LogGroup", c.GPU_LOG_GROUP_NAME, Ref(chosen.log_kept_days))
    execution_role = _role("ExecutionRole", role_policies.gpu_execution(GetAtt(lines, "Arn")))
    task_role = _role("TaskRole", role_policies.gpu_worker())
    task = ecs.TaskDefinition(
        "TaskDefinition",
        Family=Sub(c.TASK_FAMILY),
        RequiresCompatibilities=["EC2"],
        # A worker calls out and is called by nobody: it needs no network interface and no address of its own.
        NetworkMode="bridge",
        Cpu=str(c.TASK_CPU_UNITS),
        Memory=str(c.TASK_MEMORY_MIB),
        ExecutionRoleArn=GetAtt(execution_role, "Arn"),
        TaskRoleArn=GetAtt(task_role, "Arn"),
        ContainerDefinitions=[_container(chosen, lines)],
        Volumes=[ecs.Volume(Name=c.CACHE_VOLUME_NAME, Host=ecs.Host(SourcePath=c.HOST_CACHE_DIRECTORY))],
        Tags=project_tags(),
    )
    add(
        template,
        lines,
        execution_role,
        task_role,
        task,
        output("TaskDefinitionArn", "ARN of the worker's task definition, with its revision.", Ref(task)),
        export("LogGroupName", "Log group of the worker.", Ref(lines), c.EXPORT_GPU_LOG_GROUP),
    )


def _role(title: str, policy: iam.Policy) -> iam.Role:
    return iam.Role(
        title,
        AssumeRolePolicyDocument=policies.trust("ecs-tasks", own_account_only=True),
        Policies=[policy],
        Tags=project_tags(),
    )


def _container(chosen: TaskParameters, lines: logs.LogGroup) -> ecs.ContainerDefinition:
    return ecs.ContainerDefinition(
        Name=c.CONTAINER_NAME,
        Image=Sub("${Repository}:${ImageTag}", Repository=import_value(c.EXPORT_REPOSITORY_URI)),
        Command=list(names.WORKER_COMMAND),
        Essential=True,
        Privileged=False,
        ResourceRequirements=[ecs.ResourceRequirement(Type="GPU", Value=str(c.TASK_GPUS))],
        StopTimeout=names.STOP_TIMEOUT_SECONDS,
        HealthCheck=ecs.HealthCheck(
            Command=["CMD", *names.HEALTH_COMMAND],
            Interval=HEALTH_INTERVAL_SECONDS,
            Timeout=HEALTH_TIMEOUT_SECONDS,
            Retries=HEALTH_RETRIES,
            StartPeriod=HEALTH_START_SECONDS,
        ),
        Environment=[ecs.Environment(Name=name, Value=value) for name, value in _environment(chosen).items()],
        MountPoints=[
            ecs.MountPoint(SourceVolume=c.CACHE_VOLUME_NAME, ContainerPath=c.CONTAINER_CACHE_DIRECTORY, ReadOnly=False)
        ],
        LinuxParameters=ecs.LinuxParameters(
            # Passes SIGTERM on, and reaps what the worker leaves behind.
            InitProcessEnabled=True,
            Capabilities=ecs.KernelCapabilities(Drop=["ALL"]),
        ),
        DockerSecurityOptions=["no-new-privileges"],
        LogConfiguration=ecs.LogConfiguration(
            LogDriver="awslogs",
            Options={
                "awslogs-group": Ref(lines),
                "awslogs-region": Region,
                "awslogs-stream-prefix": "worker",
                # A hiccup of CloudWatch must not hold up a picture.
                "mode": "non-blocking",
                "max-buffer-size": c.LOG_BUFFER_SIZE,
            },
        ),
    )


def _environment(chosen: TaskParameters) -> dict[str, Any]:
    return {
        names.ENV_PROJECT: Ref("Project"),
        names.ENV_JOBS_TABLE: import_value(c.EXPORT_JOBS_TABLE),
        names.ENV_IMAGES_BUCKET: import_value(c.EXPORT_IMAGES_BUCKET),
        names.ENV_QUEUE_URL: import_value(c.EXPORT_GPU_QUEUE_URL),
        names.ENV_DEAD_LETTER_QUEUE_URL: import_value(c.EXPORT_DEAD_LETTER_QUEUE_URL),
        names.ENV_MODEL: Ref(chosen.model),
        names.ENV_CACHE_DIRECTORY: c.CONTAINER_CACHE_DIRECTORY,
        names.ENV_DOLLARS_PER_HOUR: Ref(chosen.dollars_per_hour),
        names.ENV_SPOT_PRICE_FACTOR: Ref(chosen.spot_price_factor),
        # The libraries' own names for where they keep what is slow to get: hub downloads and compiled kernels.
        "HF_HOME": f"{c.CONTAINER_CACHE_DIRECTORY}/huggingface",
        "TORCHINDUCTOR_CACHE_DIR": f"{c.CONTAINER_CACHE_DIRECTORY}/torchinductor",
        "TRITON_CACHE_DIR": f"{c.CONTAINER_CACHE_DIRECTORY}/triton",
        # ECS does not say it on EC2, and the host's metadata is out of the container's reach.
        "AWS_REGION": Region,
        "AWS_DEFAULT_REGION": Region,
    }
