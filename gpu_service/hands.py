"""The jobs in hand: what this worker holds a lease on, and how far each has come."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from gpu_service.meter import DeviceMeter
from gpu_service.status import WorkerStatus
from jobs.job import Job, seconds_between
from jobs.logs import JobFields
from jobs.queue import Delivery
from jobs.store import Lease


class Phase(StrEnum):
    """Where a job in hand stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHING = "finishing"
    # Its end is being written: from here on, a lease that is gone is what was wanted.
    ENDING = "ending"


@dataclass(eq=False)
class Held:
    """One job in hand. Its fields are written by one thread at a time: whoever works on its present phase."""

    delivery: Delivery
    job: Job
    lease: Lease
    phase: Phase = Phase.WAITING
    step: int = 0
    total_steps: int = 0
    # Base64 of a small JPEG, made since the last renewal.
    preview: str | None = None
    # Of this attempt: how many went onto the device together, and seconds there, its share of them, and for storing.
    batch_jobs: int = 0
    generate_seconds: float = 0.0
    device_seconds: float = 0.0
    store_seconds: float = 0.0
    renewed_at: float = field(default_factory=time.monotonic)
    running_since: float = 0.0

    @property
    def is_suspect(self) -> bool:
        """Whether a worker has been lost with it: it may be what that worker died of."""
        return self.job.attempts > 1

    @property
    def log_fields(self) -> JobFields:
        """What each of its log lines carries."""
        job = self.job
        return JobFields(correlation_id=job.correlation_id, job_id=job.job_id, caller=job.owner)

    @property
    def queue_wait_seconds(self) -> float:
        """From the job's acceptance until this worker took it up."""
        return seconds_between(self.job.created_at, self.job.started_at or self.job.created_at)


@dataclass(frozen=True)
class Batch:
    """What to do next: run `jobs` together, after handing `in_the_way` back."""

    jobs: list[Held]
    in_the_way: list[Held]


class Hands:
    """The jobs in hand, shared by the worker's threads."""

    def __init__(self, status: WorkerStatus, meter: DeviceMeter) -> None:
        self._changed = threading.Condition()
        self._held: list[Held] = []
        self._status = status
        self._meter = meter

    def add(self, jobs: Iterable[Held]) -> None:
        """Take jobs in hand."""
        with self._changed:
            self._held.extend(jobs)
            self._tell()

    def release(self, held: Held) -> bool:
        """Let go of a job. Only the first to do so gets True, and with it the right to end the job."""
        with self._changed:
            if held not in self._held:
                return False
            self._held.remove(held)
            self._meter.leave(held)
            self._tell()
            return True

    def has(self, held: Held) -> bool:
        """Whether the job is still in hand: if not, nobody wants what is being made of it."""
        return held in self._held

    def all(self, *phases: Phase) -> tuple[Held, ...]:
        """The jobs in hand, of these phases or of any, the oldest first."""
        with self._changed:
            return tuple(held for held in self._held if not phases or held.phase in phases)

    def advance(self, jobs: Iterable[Held], phase: Phase) -> None:
        """Note that jobs have come to their next phase."""
        with self._changed:
            for held in jobs:
                held.phase = phase
            self._changed.notify_all()

    def put_on_device(self, jobs: list[Held]) -> None:
        """Let the meter run for those of them that are still in hand."""
        with self._changed:
            for held in jobs:
                held.batch_jobs = len(jobs)
            self._meter.begin(held for held in jobs if held in self._held)

    def wake(self) -> None:
        """Let every waiting thread look again."""
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout_seconds: float | None = None) -> bool:
        """Wait until `condition` holds; it is looked at after each change. Returns whether it does."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_seconds)

    def next_batch(self, limit: Callable[[int, int], int], is_stopping: Callable[[], bool]) -> Batch | None:
        """Wait for jobs to run, and mark them as running; None once the worker is stopping.

        The oldest job goes first, with those that can run in one call with it, up to `limit(width, height)` pictures.
        A suspect runs when nothing else is in hand, so that it can take no other job down with it.
        """
        with self._changed:
            while not is_stopping():
                if batch := self._choose(limit):
                    for held in batch.jobs:
                        held.phase, held.running_since = Phase.RUNNING, time.monotonic()
                    return batch
                self._changed.wait()
        return None

    def _choose(self, limit: Callable[[int, int], int]) -> Batch | None:
        waiting = [held for held in self._held if held.phase is Phase.WAITING]
        innocent = [held for held in waiting if not held.is_suspect]
        if not innocent:
            # Others are in hand only while they are being stored.
            return Batch(waiting[:1], waiting[1:]) if waiting and len(waiting) == len(self._held) else None
        first = innocent[0].job.request
        room = limit(first.width, first.height)
        chosen: list[Held] = []
        for held in innocent:
            request = held.job.request
            if not chosen or (request.batch_key == first.batch_key and request.num_images <= room):
                chosen.append(held)
                room -= request.num_images
        return Batch(chosen, [])

    def _tell(self) -> None:
        self._status.holding(tuple(held.job.job_id for held in self._held))
        self._changed.notify_all()
