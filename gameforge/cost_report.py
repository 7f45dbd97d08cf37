"""What a stretch of time cost: figures of jobs and workers in, sums, projection and comparison out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jobs import prices

# Less than this says little about a month: days and nights differ.
SPAN_MIN: Final = timedelta(days=1)
COMPARED_TYPE: Final = "g4dn.xlarge"
# Sums of rounded figures differ by less than this part of them.
ROUNDING: Final = 0.001


@dataclass(frozen=True)
class KeyCost:
    """What the jobs of one key used and cost: every attempt, also of jobs that failed or were canceled."""

    caller: str
    jobs: int
    attempts: int
    images: int
    device_seconds: float
    dollars: float
    # Attempts on a machine that has no price.
    unpriced: int


@dataclass(frozen=True)
class WorkerCost:
    """What the workers on one type of machine were alive for, and what that cost."""

    instance_type: str
    workers: int
    alive_seconds: float
    busy_seconds: float
    idle_seconds: float
    alive_dollars: float
    idle_dollars: float


@dataclass(frozen=True)
class Monthly:
    """What a way to run costs in a month of 720 hours, and how many times the CPU service that is."""

    name: str
    dollars: float
    times_cpu: float


@dataclass(frozen=True)
class CostReport:
    """The figures from one moment to another: from when there are any lines, if that is later than what was asked."""

    begins: datetime
    ends: datetime
    keys: tuple[KeyCost, ...]
    workers: tuple[WorkerCost, ...]

    @property
    def span(self) -> timedelta:
        """How long it was measured."""
        return self.ends - self.begins

    @property
    def is_short(self) -> bool:
        """Whether a projection from it is a rough guess."""
        return self.span < SPAN_MIN

    @property
    def jobs_dollars(self) -> float:
        """What attempts that have ended cost."""
        return _sum(key.dollars for key in self.keys)

    @property
    def idle_dollars(self) -> float:
        """What workers cost while they had nothing to do, starting up included."""
        return _sum(worker.idle_dollars for worker in self.workers)

    @property
    def working_dollars(self) -> float:
        """What workers cost while they worked. Their minutes may be counted a little later than jobs' ends."""
        busy = _sum(worker.alive_dollars - worker.idle_dollars for worker in self.workers)
        return max(busy, self.jobs_dollars)

    @property
    def unsettled_dollars(self) -> float:
        """Work that no end tells of: jobs that still run, or whose worker was killed."""
        unsettled = round(self.working_dollars - self.jobs_dollars, 8)
        return unsettled if unsettled > ROUNDING * self.working_dollars else 0.0

    @property
    def dollars(self) -> float:
        """All of it: what workers cost while they were alive."""
        return _sum((self.working_dollars, self.idle_dollars))

    @property
    def unpriced_attempts(self) -> int:
        """Attempts on machines that have no price: they are in no sum of dollars."""
        return sum(key.unpriced for key in self.keys)

    def monthly(self, dollars: float) -> float:
        """What `dollars` in this span come to in a month."""
        hours = self.span.total_seconds() / prices.SECONDS_PER_HOUR
        return dollars / hours * prices.HOURS_PER_MONTH if hours > 0 else 0.0

    def comparison(self) -> tuple[Monthly, ...]:
        """The measured load beside the two ways that a team starts from, at the list prices where the project began."""
        gpu = prices.instance_dollars_per_hour(COMPARED_TYPE, prices.REGION_DEFAULT)
        cpu = prices.fargate_dollars_per_hour(prices.CPU_TASK, prices.REGION_DEFAULT)
        if gpu is None or cpu is None:
            raise LookupError("the price table has lost the two machines that the project began with")
        cpu_month = cpu * prices.HOURS_PER_MONTH
        ways = {
            f"{COMPARED_TYPE}, around the clock": gpu * prices.HOURS_PER_MONTH,
            "CPU on Fargate, around the clock": cpu_month,
            "this load, as the workers ran": self.monthly(self.dollars),
            "this load, scaled to zero whenever idle": self.monthly(self.working_dollars),
        }
        return tuple(Monthly(name, dollars, dollars / cpu_month) for name, dollars in ways.items())


def _sum(values: Iterable[float]) -> float:
    # Dollars are kept to a hundred-millionth; what is beyond that comes of adding binary fractions.
    return round(sum(values), 8)
