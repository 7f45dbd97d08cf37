"""What an attempt at a job took, and how the job's record keeps the sum over all its attempts."""

from dataclasses import dataclass
from typing import Any, Final

# Attributes of the record that each attempt adds to.
SUMS: Final = ("generate_seconds", "device_seconds", "store_seconds", "cost_dollars")


@dataclass(frozen=True)
class Measured:
    """One attempt; the fields mean what those of `Job` do. Without a price there is no cost."""

    instance_type: str
    generate_seconds: float
    device_seconds: float
    store_seconds: float
    cost_dollars: float | None

    def sets(self) -> list[str]:
        """What to SET in an update expression."""
        return ["instance_type = :instance_type"]

    def adds(self) -> list[str]:
        """What to ADD: the sums grow in the table itself, whoever adds to them."""
        return [f"{name} :{name}" for name in self._numbers()]

    def values(self) -> dict[str, Any]:
        """The values of both."""
        numbers = {f":{name}": {"N": f"{value:.8f}"} for name, value in self._numbers().items()}
        return {":instance_type": {"S": self.instance_type}, **numbers}

    def _numbers(self) -> dict[str, float]:
        return {name: value for name in SUMS if (value := getattr(self, name)) is not None}
