"""What the environment forces (`GAMEFORGE_PRECISION=fp16`) or forbids (`GAMEFORGE_OFFLOAD=not-model`) in the plan.

The out-of-memory ladder may still slice and tile the VAE that a plan began without; everything else holds throughout.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from jobs.names import ENV_COMPILE
from jobs.request import IMAGES_MAX

ENV_DEVICE: Final = "GAMEFORGE_DEVICE"
ENV_PRECISION: Final = "GAMEFORGE_PRECISION"
ENV_ATTENTION: Final = "GAMEFORGE_ATTENTION"
ENV_MEMORY_FORMAT: Final = "GAMEFORGE_MEMORY_FORMAT"
ENV_FUSE_QKV: Final = "GAMEFORGE_FUSE_QKV"
ENV_VAE: Final = "GAMEFORGE_VAE"
ENV_VAE_SLICING: Final = "GAMEFORGE_VAE_SLICING"
ENV_VAE_TILING: Final = "GAMEFORGE_VAE_TILING"
ENV_OFFLOAD: Final = "GAMEFORGE_OFFLOAD"
ENV_BATCH_LIMIT: Final = "GAMEFORGE_BATCH_LIMIT"

_ON_OFF: Final = ("on", "off")
VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    ENV_DEVICE: ("cuda", "cpu"),
    ENV_PRECISION: ("fp16", "bf16", "fp32"),
    ENV_ATTENTION: ("xformers", "sdpa"),
    ENV_MEMORY_FORMAT: ("channels_last", "contiguous"),
    ENV_FUSE_QKV: _ON_OFF,
    ENV_VAE: ("model", "fp16-fix"),
    ENV_VAE_SLICING: _ON_OFF,
    ENV_VAE_TILING: _ON_OFF,
    ENV_COMPILE: ("regional", "full", "off"),
    ENV_OFFLOAD: ("none", "model", "sequential"),
}
_NOT: Final = "not-"


class PlanError(Exception):
    """A plan that was asked for can't be had; the text names the variable and the reason."""


@dataclass(frozen=True)
class Wishes:
    """For each option, the value it must have, or (with `not-` before it) must not have."""

    values: Mapping[str, str] = field(default_factory=dict)
    # Pictures denoised together at most; None leaves it to the plan.
    batch_limit: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Wishes":
        """Read the variables; one that is empty wishes nothing. Raises `PlanError` for a value that does not exist."""
        values = {}
        for option, allowed in VALUES.items():
            value = environment.get(option, "").strip().lower()
            if value and value.removeprefix(_NOT) not in allowed:
                raise PlanError(f"{option}={value}: it must be one of {', '.join(allowed)}, or {_NOT} and one of them")
            if value:
                values[option] = value
        limit = environment.get(ENV_BATCH_LIMIT, "").strip()
        if limit and not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= IMAGES_MAX):
            raise PlanError(f"{ENV_BATCH_LIMIT}={limit}: it must be a number from 1 to {IMAGES_MAX}")
        return cls(values, int(limit) if limit else None)

    @staticmethod
    def text(value: StrEnum | bool) -> str:
        """A value as the environment writes it."""
        return _ON_OFF[not value] if isinstance(value, bool) else value.value

    def forces(self, option: str, value: StrEnum | bool) -> bool:
        """Whether the option must have this value."""
        return self.values.get(option) == self.text(value)

    def forbids(self, option: str, value: StrEnum | bool) -> bool:
        """Whether the option must not have this value."""
        return self.values.get(option) == _NOT + self.text(value)
