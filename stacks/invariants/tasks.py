"""Invariants of ECS task definitions: they can be placed, they are isolated, and their logs and caches exist."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stacks.constants import GPU_INSTANCE_TYPES
from stacks.instance_types import GPU_TYPES, InstanceType
from stacks.invariants.finding import Finding
from stacks.template_view import Resource, TemplateView, as_list, is_true, mapping, mappings, number

# A spot host is gone 120 s after its notice; in less than 30 s a worker can't hand its job back.
_STOP_TIMEOUT_SECONDS: Final = (30, 120)


def gpu_is_asked_for(view: TemplateView) -> Iterator[Finding]:
    """GPUs are asked for as `GPU`, in whole numbers, and no more than a host has."""
    limit = _smallest_host(view).gpus
    for task in view.of_type("ECS::TaskDefinition"):
        for requirement in _gpu_requirements(task):
            kind, count = requirement["Type"], number(requirement.get("Value"))
            if kind != "GPU":
                yield Finding(task.logical_id, f"AWS refuses the resource type {kind!r}: write GPU in capitals")
            if count > limit:
                yield Finding(task.logical_id, f"asks for {count:g} GPUs, a host has {limit}: it is never placed")
            if count < 1 or count % 1:
                yield Finding(task.logical_id, f"asks for {count:g} GPUs: give a whole number")


def task_fits_host(view: TemplateView) -> Iterator[Finding]:
    """CPU and memory fit the smallest host that the task may land on."""
    host = _smallest_host(view)
    limits = (("Cpu", host.cpu_units, "CPU units"), ("Memory", host.task_memory_mib, "MiB"))
    for task in gpu_tasks(view):
        for name, limit, unit in limits:
            asked = number(task.properties.get(name))
            if asked > limit:
                message = f"asks for {asked:,.0f} {unit}, a host can give {limit:,}: it is never placed"
                yield Finding(task.logical_id, message)


def container_is_isolated(view: TemplateView) -> Iterator[Finding]:
    """No container is privileged, and no task shares its host's processes, memory or network."""
    for task, container in _containers(view):
        if is_true(container.get("Privileged")):
            yield Finding(task.logical_id, "a privileged container owns its host, and GPUs need no privileges: drop it")
    for task in view.of_type("ECS::TaskDefinition"):
        for name in ("PidMode", "IpcMode", "NetworkMode"):
            if task.properties.get(name) == "host":
                yield Finding(task.logical_id, f"{name} host lets the container into its host's affairs: leave it out")


def worker_needs_no_interface(view: TemplateView) -> Iterator[Finding]:
    """On EC2, a task that nobody connects to uses bridge: with awsvpc it gets no public address and needs NAT."""
    for task in _ec2_tasks(view):
        listens = any(each.get("PortMappings") for each in mappings(task.properties.get("ContainerDefinitions")))
        if task.properties.get("NetworkMode") == "awsvpc" and not listens:
            message = "awsvpc tasks on EC2 get no public address and need NAT or endpoints: use bridge"
            yield Finding(task.logical_id, message)


def container_logs_are_kept(view: TemplateView) -> Iterator[Finding]:
    """Every container writes to CloudWatch Logs, into a group that is declared."""
    for task, container in _containers(view):
        logging = mapping(container.get("LogConfiguration"))
        if logging.get("LogDriver") != "awslogs":
            yield Finding(task.logical_id, "a container's lines go nowhere: give it the log driver awslogs")
        elif not isinstance(mapping(logging.get("Options")).get("awslogs-group"), Mapping):
            yield Finding(task.logical_id, "does not start without its log group: refer to a declared one")


def mounts_have_volumes(view: TemplateView) -> Iterator[Finding]:
    """Every mount names a volume of its task."""
    for task, container in _containers(view):
        volumes = {str(volume.get("Name")) for volume in mappings(task.properties.get("Volumes"))}
        for mount in mappings(container.get("MountPoints")):
            if str(mount.get("SourceVolume")) not in volumes:
                yield Finding(task.logical_id, f"mounts {mount.get('SourceVolume')}, which is not among its Volumes")


def cache_is_on_the_host(view: TemplateView) -> Iterator[Finding]:
    """A GPU task keeps its cache in the directory that the hosts of the same template prepare."""
    prepared = "".join(str(host.at("LaunchTemplateData", "UserData")) for host in view.of_type("EC2::LaunchTemplate"))
    for task in gpu_tasks(view):
        for volume in mappings(task.properties.get("Volumes")):
            path = mapping(volume.get("Host")).get("SourcePath")
            if prepared and path and f"={path}\n" not in prepared:
                yield Finding(task.logical_id, f"no host prepares {path}: name the directory of the user data")


def stop_leaves_time(view: TemplateView) -> Iterator[Finding]:
    """A GPU container has the time to hand its job back, and no more than a spot notice gives."""
    least, most = _STOP_TIMEOUT_SECONDS
    for task in gpu_tasks(view):
        for container in mappings(task.properties.get("ContainerDefinitions")):
            seconds = container.get("StopTimeout")
            if not least < number(seconds) <= most:
                message = f"StopTimeout is {seconds}: give more than {least} and at most {most} seconds"
                yield Finding(task.logical_id, message)


def health_is_checked(view: TemplateView) -> Iterator[Finding]:
    """ECS looks after a GPU container's health: it does not read the one that the image declares."""
    for task in gpu_tasks(view):
        for container in mappings(task.properties.get("ContainerDefinitions")):
            if container.get("Essential", True) and not mapping(container.get("HealthCheck")).get("Command"):
                yield Finding(task.logical_id, "a container that hangs is never replaced: give it a HealthCheck")


def gpu_tasks(view: TemplateView) -> list[Resource]:
    """The task definitions that run on EC2 and ask for a GPU."""
    return [task for task in _ec2_tasks(view) if _gpu_requirements(task)]


def _containers(view: TemplateView) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for task in view.of_type("ECS::TaskDefinition"):
        for container in mappings(task.properties.get("ContainerDefinitions")):
            yield task, container


def _ec2_tasks(view: TemplateView) -> list[Resource]:
    tasks = view.of_type("ECS::TaskDefinition")
    return [task for task in tasks if "EC2" in as_list(task.properties.get("RequiresCompatibilities", "EC2"))]


def _gpu_requirements(task: Resource) -> list[Mapping[str, Any]]:
    return [
        requirement
        for container in mappings(task.properties.get("ContainerDefinitions"))
        for requirement in mappings(container.get("ResourceRequirements"))
        if str(requirement.get("Type")).upper() == "GPU"
    ]


def _smallest_host(view: TemplateView) -> InstanceType:
    """The smallest GPU type that the template launches, or our smallest if it launches none that is known."""
    named = [host.at("LaunchTemplateData", "InstanceType") for host in view.of_type("EC2::LaunchTemplate")]
    for group in view.of_type("AutoScaling::AutoScalingGroup"):
        overrides = mappings(group.at("MixedInstancesPolicy", "LaunchTemplate", "Overrides"))
        named += [override.get("InstanceType") for override in overrides]
    known = [GPU_TYPES[str(name)] for name in named if str(name) in GPU_TYPES]
    types = known or [GPU_TYPES[name] for name in GPU_INSTANCE_TYPES]
    return min(types, key=lambda each: (each.task_memory_mib, each.gpus))


INVARIANTS: Final = (
    gpu_is_asked_for,
    task_fits_host,
    container_is_isolated,
    worker_needs_no_interface,
    container_logs_are_kept,
    mounts_have_volumes,
    cache_is_on_the_host,
    stop_leaves_time,
    health_is_checked,
)
