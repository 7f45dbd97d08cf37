"""Faults in the values of Phase 1: at least one for each value of `stacks.phase_1`."""

from typing import Any, Final

from stacks.mutants.mutant import Edit, Mutant, drop, put, replace

PHASE_1: Final = "Phase 1"
_DATA: Final = "LaunchTemplate/LaunchTemplateData"
_USER_DATA: Final = f"{_DATA}/UserData/Fn::Base64/Fn::Sub"
_VOLUME: Final = f"{_DATA}/BlockDeviceMappings/0"
_MIXED: Final = "AutoScalingGroup/MixedInstancesPolicy/Fn::If/1"
_PROVIDER: Final = "CapacityProvider/AutoScalingGroupProvider"
_CONTAINER: Final = "TaskDefinition/ContainerDefinitions/0"
_AMI: Final = "/Parameters/GpuAmi/Default"
_AMI_ROOT: Final = "/aws/service/ecs/optimized-ami"


def _default(parameter: str, value: Any) -> Edit:
    return put(f"/Parameters/{parameter}/Default", value)


def _name(text: str) -> dict[str, str]:
    return {"Fn::Sub": "${Project}-" + text}


_FAULTS: Final[dict[str, Edit]] = {
    # cluster
    "cluster named without sdxl": put("Cluster/ClusterName", _name("gpu-cluster")),
    "Container Insights off": put("Cluster/ClusterSettings/0/Value", "disabled"),
    # launch template
    "launch template renamed": put("LaunchTemplate/LaunchTemplateName", _name("gpu-launch-template")),
    "a larger instance type by default": _default("GpuInstanceType", "g5.2xlarge"),
    "image without GPU driver": put(_AMI, f"{_AMI_ROOT}/amazon-linux-2023/recommended/image_id"),
    "image id written out": put(f"{_DATA}/ImageId", "ami-0123456789abcdef0"),
    "IMDSv1 allowed": put(f"{_DATA}/MetadataOptions/HttpTokens", "optional"),
    "root volume under another device name": put(f"{_VOLUME}/DeviceName", "/dev/sda1"),
    "root volume gp2": put(f"{_VOLUME}/Ebs/VolumeType", "gp2"),
    "root volume too small for the image": put(f"{_VOLUME}/Ebs/VolumeSize", 30),
    "root volume not encrypted": put(f"{_VOLUME}/Ebs/Encrypted", False),
    # user data
    "host joins another cluster": replace(_USER_DATA, "${Project}-sdxl-gpu-cluster", "${Project}-gpu-cluster"),
    "host joins the default cluster": replace(_USER_DATA, 'set_option ECS_CLUSTER "$CLUSTER"\n', ""),
    "GPU support left out": replace(_USER_DATA, "set_option ECS_ENABLE_GPU_SUPPORT true\n", ""),
    "NVIDIA runtime left out": replace(_USER_DATA, "set_option ECS_NVIDIA_RUNTIME nvidia\n", ""),
    "container metadata off": replace(_USER_DATA, "CONTAINER_METADATA true", "CONTAINER_METADATA false"),
    "spot draining left out": replace(_USER_DATA, "set_option ECS_ENABLE_SPOT_INSTANCE_DRAINING true\n", ""),
    "instance store not mounted": replace(_USER_DATA, '  mount --options noatime "$device" "$CACHE_DIRECTORY"\n', ""),
    # group
    "group renamed": put("AutoScalingGroup/AutoScalingGroupName", _name("gpu-hosts")),
    "a host that is never given up": _default("MinInstances", 1),
    "no first host": _default("DesiredInstances", 0),
    "at most one host": _default("MaxInstances", 1),
    "at most ten hosts": _default("MaxInstances", 10),
    "one zone only": put("AutoScalingGroup/VPCZoneIdentifier", [{"Fn::Select": [0, {"Ref": "SubnetIds"}]}]),
    "no other instance types": put(
        f"{_MIXED}/LaunchTemplate/Overrides", [{"InstanceType": {"Ref": "GpuInstanceType"}}]
    ),
    "a type with four GPUs for a task with one": _default("GpuInstanceType2", "g5.12xlarge"),
    "types by price": put(f"{_MIXED}/InstancesDistribution/OnDemandAllocationStrategy", "lowest-price"),
    "spot by default": _default("OnDemandPercentAboveBase", 0),
    "rebalancing without spot": put("AutoScalingGroup/CapacityRebalance", True),
    # capacity provider
    "provider renamed": put("CapacityProvider/Name", _name("capacity-provider")),
    "managed scaling off": put(f"{_PROVIDER}/ManagedScaling/Status", "DISABLED"),
    "target capacity 90": put(f"{_PROVIDER}/ManagedScaling/TargetCapacity", 90),
    "no time to warm up": put(f"{_PROVIDER}/ManagedScaling/InstanceWarmupPeriod", 30),
    # task definition
    "task renamed": put("TaskDefinition/Family", _name("gpu-task")),
    "task for Fargate": put("TaskDefinition/RequiresCompatibilities", ["FARGATE"]),
    "1 vCPU": put("TaskDefinition/Cpu", "1024"),
    "8 GiB": put("TaskDefinition/Memory", "8192"),
    "no GPU": drop(f"{_CONTAINER}/ResourceRequirements"),
    "somebody else's image": put(f"{_CONTAINER}/Image", "docker.io/library/sdxl:latest"),
    "another command": put(f"{_CONTAINER}/Command", ["sleep", "infinity"]),
    "cache where no host prepares it": put("TaskDefinition/Volumes/0/Host/SourcePath", "/var/cache"),
    "cache mounted elsewhere": put(f"{_CONTAINER}/MountPoints/0/ContainerPath", "/cache"),
    # log group
    "log group renamed": put("LogGroup/LogGroupName", {"Fn::Sub": "/ecs/${Project}-gpu"}),
    "logs kept for ever": drop("LogGroup/RetentionInDays"),
    "logs kept for a day": _default("LogKeptDays", 1),
}
MUTANTS: Final = tuple(Mutant(PHASE_1, "gpu-cluster", name, edit) for name, edit in _FAULTS.items())
