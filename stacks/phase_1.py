"""Phase 1, value by value, as an operator expects it under default parameters: the other entry of the bookkeeping.

Written out on purpose: a value that is changed in `stacks.constants` alone is a mistake until it is changed here too.
"""

from dataclasses import dataclass
from typing import Any, Final

from jobs import names


@dataclass(frozen=True)
class Value:
    """One value. `path` leads to it through the properties of the one resource of `resource_type`."""

    component: str
    name: str
    resource_type: str
    path: tuple[str | int, ...]
    expected: Any


@dataclass(frozen=True)
class Line:
    """A line that the hosts' user data has to have."""

    component: str
    name: str
    text: str


_DATA: Final = ("LaunchTemplateData",)
_SCALING: Final = ("AutoScalingGroupProvider", "ManagedScaling")
_MIXED: Final = ("MixedInstancesPolicy",)
_CONTAINER: Final = ("ContainerDefinitions", 0)


def _values(component: str, resource_type: str, *values: tuple[str, tuple[str | int, ...], Any]) -> tuple[Value, ...]:
    return tuple(Value(component, name, f"AWS::{resource_type}", path, expected) for name, path, expected in values)


VALUES: Final = (
    *_values(
        "ECS cluster",
        "ECS::Cluster",
        ("name", ("ClusterName",), "gameforge-sdxl-gpu-cluster"),
        ("Container Insights", ("ClusterSettings",), [{"Name": "containerInsights", "Value": "enabled"}]),
    ),
    *_values(
        "launch template",
        "EC2::LaunchTemplate",
        ("name", ("LaunchTemplateName",), "gameforge-gpu-template"),
        ("instance type", (*_DATA, "InstanceType"), "g4dn.xlarge"),
        (
            "image",
            (*_DATA, "ImageId"),
            "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id",
        ),
        ("IMDSv2 only", (*_DATA, "MetadataOptions", "HttpTokens"), "required"),
        ("root volume", (*_DATA, "BlockDeviceMappings", 0, "DeviceName"), "/dev/xvda"),
        ("root volume type", (*_DATA, "BlockDeviceMappings", 0, "Ebs", "VolumeType"), "gp3"),
        ("root volume size", (*_DATA, "BlockDeviceMappings", 0, "Ebs", "VolumeSize"), 100),
        ("root volume encrypted", (*_DATA, "BlockDeviceMappings", 0, "Ebs", "Encrypted"), True),
    ),
    *_values(
        "Auto Scaling group",
        "AutoScaling::AutoScalingGroup",
        ("name", ("AutoScalingGroupName",), "gameforge-gpu-asg"),
        ("least", ("MinSize",), 0),
        ("desired", ("DesiredCapacity",), 1),
        ("most", ("MaxSize",), 2),
        ("every subnet", ("VPCZoneIdentifier",), {"Ref": "SubnetIds"}),
        (
            "instance types",
            (*_MIXED, "LaunchTemplate", "Overrides"),
            [{"InstanceType": name} for name in ("g4dn.xlarge", "g4dn.2xlarge", "g5.xlarge", "g6.xlarge")],
        ),
        ("types by preference", (*_MIXED, "InstancesDistribution", "OnDemandAllocationStrategy"), "prioritized"),
        ("on-demand only", (*_MIXED, "InstancesDistribution", "OnDemandPercentageAboveBaseCapacity"), 100),
        ("no rebalancing without spot", ("CapacityRebalance",), False),
    ),
    *_values(
        "capacity provider",
        "ECS::CapacityProvider",
        ("name", ("Name",), "gameforge-gpu-capacity-provider"),
        ("managed scaling", (*_SCALING, "Status"), "ENABLED"),
        ("target capacity", (*_SCALING, "TargetCapacity"), 100),
        ("warm-up", (*_SCALING, "InstanceWarmupPeriod"), 300),
    ),
    *_values(
        "task definition",
        "ECS::TaskDefinition",
        ("name", ("Family",), "gameforge-sdxl-gpu-task"),
        ("EC2", ("RequiresCompatibilities",), ["EC2"]),
        ("2 vCPU", ("Cpu",), "2048"),
        ("14 GiB", ("Memory",), "14336"),
        ("1 GPU", (*_CONTAINER, "ResourceRequirements"), [{"Type": "GPU", "Value": "1"}]),
        ("our own image", (*_CONTAINER, "Image"), "${gameforge-repository-uri}:v1"),
        ("command", (*_CONTAINER, "Command"), list(names.WORKER_COMMAND)),
        ("cache on the host", ("Volumes", 0, "Host", "SourcePath"), "/mnt/model-cache"),
        ("cache in the container", (*_CONTAINER, "MountPoints", 0, "ContainerPath"), "/var/cache/gameforge"),
    ),
    *_values(
        "log group",
        "Logs::LogGroup",
        ("name", ("LogGroupName",), "/ecs/gameforge-sdxl-gpu"),
        ("retention", ("RetentionInDays",), 30),
    ),
)

USER_DATA: Final = (
    Line("launch template", "joins the cluster", "readonly CLUSTER=gameforge-sdxl-gpu-cluster\n"),
    Line("launch template", "joins the cluster", 'set_option ECS_CLUSTER "$CLUSTER"\n'),
    Line("launch template", "GPU support", "set_option ECS_ENABLE_GPU_SUPPORT true\n"),
    Line("launch template", "NVIDIA runtime", "set_option ECS_NVIDIA_RUNTIME nvidia\n"),
    Line("launch template", "container metadata", "set_option ECS_ENABLE_CONTAINER_METADATA true\n"),
    Line("launch template", "spot draining", "set_option ECS_ENABLE_SPOT_INSTANCE_DRAINING true\n"),
    Line("launch template", "NVMe instance store as the model cache", 'mount --options noatime "$device"'),
)
