"""What an hour of each kind of machine costs: AWS's list prices, in one dated table that an operator can override.

Imports only what every Python has: the API's function reads it too.
"""

from dataclasses import dataclass
from typing import Final

# Linux, on demand, shared tenancy, without tax, in dollars an hour, from public copies of the list. Outside the United
# States some sizes of a family are its other sizes' price by the same ratio. A pair with nothing to go by is not here.
# AWS's own pages: https://aws.amazon.com/ec2/pricing/on-demand/ and https://aws.amazon.com/fargate/pricing/
# The day on which they were looked up.
PRICES_DATE: Final = "2026-11-25"

SECONDS_PER_HOUR: Final = 3600
# What AWS's own monthly figures, and the team's, are made with: 30 days.
HOURS_PER_MONTH: Final = 720
REGION_DEFAULT: Final = "us-east-1"

# What `instance_type` says where there is no EC2 instance of ours: AWS's own, and the laptop.
FARGATE: Final = "fargate"
LOCAL: Final = "local"

_UNITED_STATES: Final = {
    **{"g4dn.xlarge": 0.526, "g4dn.2xlarge": 0.752, "g4dn.4xlarge": 1.204, "g4dn.8xlarge": 2.176},
    **{"g4dn.12xlarge": 3.912, "g4dn.16xlarge": 4.352},
    **{"g5.xlarge": 1.006, "g5.2xlarge": 1.212, "g5.4xlarge": 1.624, "g5.8xlarge": 2.448},
    **{"g5.12xlarge": 5.672, "g5.16xlarge": 4.096, "g5.24xlarge": 8.144, "g5.48xlarge": 16.288},
    **{"g6.xlarge": 0.8048, "g6.2xlarge": 0.9776, "g6.4xlarge": 1.3232, "g6.8xlarge": 2.0144},
    **{"g6.12xlarge": 4.6016, "g6.16xlarge": 3.3968, "g6.24xlarge": 6.6752, "g6.48xlarge": 13.3504},
    **{"g6e.xlarge": 1.861, "g6e.2xlarge": 2.24208, "g6e.4xlarge": 3.00424, "g6e.8xlarge": 4.52856},
    **{"g6e.12xlarge": 10.49264, "g6e.16xlarge": 7.57719, "g6e.24xlarge": 15.06559, "g6e.48xlarge": 30.13118},
}
ON_DEMAND_DOLLARS_PER_HOUR: Final[dict[str, dict[str, float]]] = {
    "us-east-1": _UNITED_STATES,
    "us-east-2": _UNITED_STATES,
    "us-west-2": _UNITED_STATES,
    "eu-west-1": {
        **{"g4dn.xlarge": 0.587, "g4dn.2xlarge": 0.838, "g4dn.4xlarge": 1.342, "g4dn.8xlarge": 2.426},
        **{"g4dn.16xlarge": 4.853, "g5.xlarge": 1.123, "g5.2xlarge": 1.35296, "g5.4xlarge": 1.81287},
        **{"g5.8xlarge": 2.7327, "g5.16xlarge": 4.57236, "g5.48xlarge": 18.18233},
    },
    "eu-central-1": {
        **{"g4dn.xlarge": 0.658, "g4dn.2xlarge": 0.94, "g4dn.4xlarge": 1.505, "g4dn.8xlarge": 2.72},
        **{"g4dn.16xlarge": 5.44, "g5.xlarge": 1.258, "g5.2xlarge": 1.51561, "g5.4xlarge": 2.03081},
        **{"g5.8xlarge": 3.06122, "g5.16xlarge": 5.12205, "g5.48xlarge": 20.3681},
        **{"g6.xlarge": 1.0064, "g6.8xlarge": 2.519, "g6e.12xlarge": 13.12002},
    },
    "ap-northeast-1": {
        **{"g4dn.xlarge": 0.71, "g4dn.2xlarge": 1.015, "g4dn.4xlarge": 1.625, "g4dn.8xlarge": 2.938},
        **{"g4dn.16xlarge": 5.875, "g5.xlarge": 1.459, "g5.2xlarge": 1.75776, "g5.4xlarge": 2.35528},
        **{"g5.8xlarge": 3.55033, "g5.16xlarge": 5.94043, "g5.48xlarge": 23.62246},
        **{"g6.xlarge": 1.1672, "g6.8xlarge": 2.92148, "g6e.12xlarge": 15.21742},
    },
}


@dataclass(frozen=True)
class FargatePrices:
    """An hour of each part of a Linux task on x86."""

    vcpu: float
    memory_gib: float
    # Beyond the 20 GiB that every task has.
    disk_gib: float


FARGATE_DOLLARS_PER_HOUR: Final = dict.fromkeys(
    ("us-east-1", "us-east-2", "us-west-2"), FargatePrices(vcpu=0.04048, memory_gib=0.004445, disk_gib=0.000111)
)
FARGATE_FREE_DISK_GIB: Final = 20


@dataclass(frozen=True)
class FargateTask:
    """The size of a Fargate task."""

    vcpus: float
    memory_gib: float
    disk_gib: float = FARGATE_FREE_DISK_GIB


# The service that the GPU cluster was built to replace.
CPU_TASK: Final = FargateTask(vcpus=4, memory_gib=8, disk_gib=40)

# Types that are not named here have one GPU.
_GPUS_BY_SIZE: Final = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}


def gpus(instance_type: str) -> int:
    """How many GPUs a GPU instance type has; a worker has one of them, and pays for its share."""
    return _GPUS_BY_SIZE.get(instance_type.partition(".")[2], 1)


def instance_dollars_per_hour(instance_type: str, region: str) -> float | None:
    """The list price of a whole instance; None if the pair is not in the table."""
    return ON_DEMAND_DOLLARS_PER_HOUR.get(region, {}).get(instance_type)


def fargate_dollars_per_hour(task: FargateTask, region: str) -> float | None:
    """The list price of a Fargate task; None if the region is not in the table."""
    prices = FARGATE_DOLLARS_PER_HOUR.get(region)
    if prices is None:
        return None
    disk_gib = max(0, task.disk_gib - FARGATE_FREE_DISK_GIB)
    return task.vcpus * prices.vcpu + task.memory_gib * prices.memory_gib + disk_gib * prices.disk_gib


def dollars(dollars_per_hour: float, seconds: float) -> float:
    """What `seconds` cost, to a hundred-millionth of a dollar: a small picture on a cheap machine costs little more."""
    return round(dollars_per_hour * seconds / SECONDS_PER_HOUR, 8)
