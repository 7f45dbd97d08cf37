"""Invariants of GPU hosts: the right image, a working start, nothing open, and a group that can launch them."""

import re
from collections.abc import Iterator
from typing import Final

from stacks.invariants.finding import Finding
from stacks.invariants.tasks import gpu_tasks
from stacks.template_view import Resource, TemplateView, is_true, mapping, mappings, number

_DATA: Final = "LaunchTemplateData"
_AGENT_OPTIONS: Final = {
    "ECS_CLUSTER": "the host registers with the cluster named default, and no task ever finds it",
    "ECS_ENABLE_GPU_SUPPORT true": "tasks that ask for a GPU are not placed",
    "ECS_ENABLE_CONTAINER_METADATA true": "a worker can't tell which task it is",
    "ECS_ENABLE_SPOT_INSTANCE_DRAINING true": "a spot reclaim ends jobs without a warning",
}
_DEFAULT_RUNTIME: Final = re.compile(r"default[-_ ]runtime")
_SIZES: Final = ("MinSize", "DesiredCapacity", "MaxSize")
_VOLUME: Final = {"Encrypted": "true", "VolumeType": "gp3", "DeleteOnTermination": "true"}


def image_is_for_gpus(view: TemplateView) -> Iterator[Finding]:
    """The machine image comes from an SSM parameter, is for GPUs, and is not Amazon Linux 2."""
    for host in _ecs_hosts(view):
        image = str(host.at(_DATA, "ImageId"))
        if image.startswith("ami-"):
            yield Finding(host.logical_id, f"{image} is for one region and ages: read the id from its SSM parameter")
        if "/amazon-linux-2/" in image:
            yield Finding(host.logical_id, "Amazon Linux 2 ended on 2026-06-30: use amazon-linux-2023/gpu")
        elif "/ecs/optimized-ami/" in image and "/gpu/" not in image and gpu_tasks(view):
            yield Finding(host.logical_id, "the image has no NVIDIA driver: use amazon-linux-2023/gpu")


def host_joins_cluster(view: TemplateView) -> Iterator[Finding]:
    """User data names the cluster of the same template, and turns on what workers rely on."""
    clusters = view.of_type("ECS::Cluster")
    for host in _ecs_hosts(view):
        user_data = str(host.at(_DATA, "UserData"))
        if clusters and not any(_names(view, host, cluster) for cluster in clusters):
            yield Finding(host.logical_id, "user data does not name the cluster: the host never joins it")
        for option, consequence in _AGENT_OPTIONS.items():
            if option not in user_data.replace("=", " "):
                yield Finding(host.logical_id, f"user data does not set {option}: {consequence}")
        if _DEFAULT_RUNTIME.search(user_data):
            message = "nvidia as Docker's default runtime gives every container the GPU: leave it to the agent"
            yield Finding(host.logical_id, message)


def metadata_needs_a_token(view: TemplateView) -> Iterator[Finding]:
    """Instance metadata answers to IMDSv2 only, and not to containers."""
    for host in view.of_type("EC2::LaunchTemplate"):
        if host.at(_DATA, "MetadataOptions", "HttpTokens") != "required":
            yield Finding(host.logical_id, "IMDSv1 hands out the host's credentials: set HttpTokens to required")
        if number(host.at(_DATA, "MetadataOptions", "HttpPutResponseHopLimit")) != 1:
            message = "containers reach the host's credentials: set HttpPutResponseHopLimit to 1"
            yield Finding(host.logical_id, message)


def volumes_are_encrypted(view: TemplateView) -> Iterator[Finding]:
    """Every volume is gp3, encrypted, and goes with its host."""
    for host in view.of_type("EC2::LaunchTemplate"):
        for device in mappings(host.at(_DATA, "BlockDeviceMappings")):
            for name, wanted in _VOLUME.items():
                if str(mapping(device.get("Ebs")).get(name)).lower() != wanted:
                    yield Finding(host.logical_id, f"{name} of {device.get('DeviceName')} has to be {wanted}")


def nobody_logs_in(view: TemplateView) -> Iterator[Finding]:
    """No key pair, and no inbound rule anywhere."""
    for host in view.of_type("EC2::LaunchTemplate"):
        if host.at(_DATA, "KeyName"):
            yield Finding(host.logical_id, "nobody logs in to a host: drop KeyName")
    for group in view.of_type("EC2::SecurityGroup"):
        if group.properties.get("SecurityGroupIngress"):
            yield Finding(group.logical_id, "a worker is called by nobody: drop SecurityGroupIngress")
    for rule in view.of_type("EC2::SecurityGroupIngress"):
        yield Finding(rule.logical_id, "a worker is called by nobody: drop the rule")


def interface_has_its_group(view: TemplateView) -> Iterator[Finding]:
    """A host has a security group of its own; without one it gets the VPC's default group, which is open inside."""
    for host in view.of_type("EC2::LaunchTemplate"):
        interfaces = mappings(host.at(_DATA, "NetworkInterfaces"))
        grouped = bool(interfaces) and all(each.get("Groups") for each in interfaces)
        if not (grouped or host.at(_DATA, "SecurityGroupIds")):
            yield Finding(host.logical_id, "falls back to the VPC's default security group: name one in Groups")


def group_finds_capacity(view: TemplateView) -> Iterator[Finding]:
    """A group spans several subnets, its sizes rise, and no instance type is listed twice."""
    for group in view.of_type("AutoScaling::AutoScalingGroup"):
        subnets = group.written("VPCZoneIdentifier")
        if (isinstance(subnets, list) and len(subnets) == 1) or "Fn::Select" in mapping(subnets):
            yield Finding(group.logical_id, "one subnet is one zone, and GPUs run out by zone: give every subnet")
        least, desired, most = (number(group.properties.get(name)) for name in _SIZES)
        if least > most or desired > most or desired < least:
            message = f"sizes have to rise: MinSize {least:g}, DesiredCapacity {desired:g}, MaxSize {most:g}"
            yield Finding(group.logical_id, message)
        overrides = mappings(group.at("MixedInstancesPolicy", "LaunchTemplate", "Overrides"))
        types = [str(override.get("InstanceType")) for override in overrides]
        if len(types) != len(set(types)):
            yield Finding(group.logical_id, "AWS refuses an instance type that stands twice in Overrides: drop one")


def update_keeps_hosts(view: TemplateView) -> Iterator[Finding]:
    """An update of the stack leaves a managed group at the size that scaling decided on."""
    providers = view.of_type("ECS::CapacityProvider")
    for group in view.of_type("AutoScaling::AutoScalingGroup"):
        managed = any(group.logical_id in view.prerequisites(provider.logical_id) for provider in providers)
        policy = mapping(mapping(group.raw.get("UpdatePolicy")).get("AutoScalingScheduledAction"))
        if managed and not is_true(policy.get("IgnoreUnmodifiedGroupSizeProperties")):
            message = "an update sets the number of hosts back: set IgnoreUnmodifiedGroupSizeProperties"
            yield Finding(group.logical_id, message)


def _ecs_hosts(view: TemplateView) -> list[Resource]:
    """Launch templates of hosts that are to join an ECS cluster."""
    hosts = view.of_type("EC2::LaunchTemplate")
    return hosts if view.of_type("ECS::CapacityProvider", "ECS::Cluster") else []


def _names(view: TemplateView, host: Resource, cluster: Resource) -> bool:
    """Whether the host's user data names the cluster, by reference or in so many words."""
    written = mapping(host.written(_DATA)).get("UserData")
    name = re.escape(str(cluster.properties.get("ClusterName")))
    spelled_out = re.search(rf"(?<![\w-]){name}(?![\w-])", str(host.at(_DATA, "UserData")))
    return cluster.logical_id in view.references(written) or spelled_out is not None


INVARIANTS: Final = (
    image_is_for_gpus,
    host_joins_cluster,
    metadata_needs_a_token,
    volumes_are_encrypted,
    nobody_logs_in,
    interface_has_its_group,
    group_finds_capacity,
    update_keeps_hosts,
)
