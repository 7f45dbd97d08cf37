"""What the GPU instance types that SDXL can run on have to give: vCPUs, memory, GPUs."""

from dataclasses import dataclass
from typing import Final

from stacks.constants import HOST_MEMORY_MIB_MAX

_MIB_PER_GIB: Final = 1024
_CPU_UNITS_PER_VCPU: Final = 1024


@dataclass(frozen=True)
class InstanceType:
    """One type. Source: AWS's instance type pages."""

    vcpus: int
    memory_gib: int
    gpus: int

    @property
    def cpu_units(self) -> int:
        """What tasks can reserve."""
        return self.vcpus * _CPU_UNITS_PER_VCPU

    @property
    def task_memory_mib(self) -> int:
        """What tasks can reserve: a g4dn.xlarge registers 15,731 of its 16,384 MiB; this keeps a margin below that."""
        return self.memory_gib * HOST_MEMORY_MIB_MAX // 16


def _family(gib_per_vcpu: int, gpus: dict[str, int]) -> dict[str, InstanceType]:
    vcpus = {"xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32, "12xlarge": 48, "16xlarge": 64}
    vcpus |= {"24xlarge": 96, "48xlarge": 192}
    return {size: InstanceType(vcpus[size], vcpus[size] * gib_per_vcpu, count) for size, count in gpus.items()}


_ONE_GPU: Final = dict.fromkeys(("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge"), 1)
_FOUR_AND_EIGHT: Final = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}
GPU_TYPES: Final[dict[str, InstanceType]] = {
    f"{family}.{size}": each
    for family, sizes in {
        "g4dn": _family(4, {**_ONE_GPU, "12xlarge": 4}),
        "g5": _family(4, {**_ONE_GPU, **_FOUR_AND_EIGHT}),
        "g6": _family(4, {**_ONE_GPU, **_FOUR_AND_EIGHT}),
        "g6e": _family(8, {**_ONE_GPU, **_FOUR_AND_EIGHT}),
    }.items()
    for size, each in sizes.items()
}
