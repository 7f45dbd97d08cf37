"""The hosts that a deployment would ask AWS for: read from the cluster stack's parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from gameforge.system import GPU_CLUSTER, System

_NO_TYPE = "none"


@dataclass(frozen=True)
class Fleet:
    """What the Auto Scaling group may ask for. `subnet_ids` is empty where a network stack has yet to be made."""

    instance_types: tuple[str, ...]
    instances_max: int
    on_demand_base: int
    on_demand_percent: int
    ami_parameter: str
    vpc_id: str
    subnet_ids: tuple[str, ...]
    assign_public_ip: str
    model: str

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Self:
        """The fleet that these template parameters stand for."""
        types = [value for name, value in parameters.items() if name.startswith("GpuInstanceType")]
        return cls(
            instance_types=tuple(dict.fromkeys(value for value in types if value != _NO_TYPE)),
            instances_max=int(parameters["MaxInstances"]),
            on_demand_base=int(parameters["OnDemandBase"]),
            on_demand_percent=int(parameters["OnDemandPercentAboveBase"]),
            ami_parameter=parameters["GpuAmi"],
            vpc_id=parameters.get("VpcId", ""),
            subnet_ids=tuple(filter(None, parameters.get("SubnetIds", "").split(","))),
            assign_public_ip=parameters["AssignPublicIp"],
            model=parameters["Model"],
        )

    @property
    def on_demand_max(self) -> int:
        """Instances that may be on-demand at once; Auto Scaling rounds a broken one up to on-demand."""
        above = max(0, self.instances_max - self.on_demand_base)
        return min(self.instances_max, self.on_demand_base + math.ceil(above * self.on_demand_percent / 100))

    @property
    def spot_max(self) -> int:
        """Instances that may be spot at once."""
        return self.instances_max - self.on_demand_max


def planned_fleet(system: System) -> Fleet:
    """The fleet of `gameforge deploy` with the same settings. Raises `AwsError`, and what the SDK raises."""
    template = system.templates[GPU_CLUSTER]
    defaults = {name: value for name, value in template.parameters.items() if value is not None}
    present = system.stack(GPU_CLUSTER).parameters()
    chosen = system.settings.parameters.get(GPU_CLUSTER, {})
    network = {} if network_to_be_made(system) else system.network
    return Fleet.of({**defaults, **present, **network, **chosen})


def network_to_be_made(system: System) -> bool:
    """Whether the hosts' VPC is one that the deployment would make first."""
    return system.settings.with_network and system.stack("network").describe() is None
