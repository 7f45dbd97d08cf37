"""The GPU task: the worker's container, what it may do, and where its log goes."""

from dataclasses import dataclass
from typing import Any

from troposphere import GetAtt, Parameter, Ref, Region, Sub, Template, ecs, iam, logs

from jobs import names
from stacks import constants as c
from stacks import parameters, policies
from stacks.log_groups import log_group
from stacks.template import import_value, project_tags


@dataclass(frozen=True)
class TaskParameters:
    """What an operator may choose about the worker."""

    image_tag: Parameter
    model: Parameter
    log_kept_days: Parameter


def task_parameters() -> TaskParameters:
    """The parameters, with their defaults."""
    return TaskParameters(
        image_tag=parameters.text(
            "ImageTag",
            "Tag of the worker's image in the container repository of the foundation stack.",
            default=c.IMAGE_TAG,
            pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
            constraint="Give a tag of up to 128 letters, digits, dots, hyphens and underscores, such as v1.",
        ),
        model=parameters.text(
            "Model",
            "What the worker draws with: a model of the Hugging Face hub, a prefix of the models bucket "
            "(s3://bucket/prefix), or a directory inside the image.",
            default=c.MODEL,
            pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?|/.+|[\w.-]+/[\w.-]+)$",
            constraint=f"Give a hub id such as {c.MODEL}, an s3:// prefix, or an absolute path.",
        ),
        log_kept_days=parameters.log_kept_days(),
    )


def add_task(template: Template, chosen: TaskParameters) -> ecs.TaskDefinition:
    """Add log group, roles and task definition. Returns the task definition."""
    lines = log_group("LogGroup", c.GPU_LOG_GROUP_NAME, Ref(chosen.log_kept_days))
    execution_role, task_role = (
        iam.Role(
            title,
            AssumeRolePolicyDocument=policies.trust("ecs-tasks", own_account_only=True),
            Policies=[policy],
            Tags=project_tags(),
        )
        for title, policy in (
            ("ExecutionRole", policies.gpu_execution(GetAtt(lines, "Arn"))),
            ("TaskRole", policies.gpu_worker()),
        )
    )
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
    template.add_resource([lines, execution_role, task_role, task])
    return task


def _container(chosen: TaskParameters, lines: logs.LogGroup) -> ecs.ContainerDefinition:
    return ecs.ContainerDefinition(
        Name=c.CONTAINER_NAME,
        Image=Sub("${Repository}:${ImageTag}", Repository=import_value(c.EXPORT_REPOSITORY_URI)),
        Command=list(names.WORKER_COMMAND),
        Essential=True,
        Privileged=False,
        ResourceRequirements=[ecs.ResourceRequirement(Type="GPU", Value=str(c.TASK_GPUS))],
        StopTimeout=names.STOP_TIMEOUT_SECONDS,
        Environment=[ecs.Environment(Name=name, Value=value) for name, value in _environment(chosen).items()],
        MountPoints=[
            ecs.MountPoint(SourceVolume=c.CACHE_VOLUME_NAME, ContainerPath=c.CONTAINER_CACHE_DIRECTORY, ReadOnly=False)
        ],
        LinuxParameters=ecs.LinuxParameters(
            # Reaps what the worker leaves behind, and passes SIGTERM on.
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
                # A hiccup of CloudWatch must not stop a picture from being made.
                "mode": "non-blocking",
                "max-buffer-size": "4m",
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
        # On EC2, ECS does not say it, and the hosts' own metadata is out of the container's reach.
        "AWS_REGION": Region,
        "AWS_DEFAULT_REGION": Region,
    }
