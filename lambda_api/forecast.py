"""Where a waiting job stands and how long it has to wait: counted and measured from the table, never assumed."""

import time
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from jobs.job import Job, Status, seconds_between
from jobs.listing import Listing

# One look at the table serves all requests of these seconds: clients poll more often than queues move.
SNAPSHOT_SECONDS: Final = 2.0
QUEUED_COUNTED_MAX: Final = 500
RUNNING_COUNTED_MAX: Final = 50
# Enough for a steady figure, few enough to be of now.
RECENT_JOBS: Final = 20


@dataclass(frozen=True)
class Place:
    """A waiting job's place: 1 is next. `expected_wait_seconds` is None while nothing has been measured."""

    position: int
    expected_wait_seconds: float | None


@dataclass(frozen=True)
class _Snapshot:
    taken_at: float
    # Of the waiting jobs, oldest first: (accepted at, id), and the pixel-steps of all that stand before each.
    queued: list[tuple[str, str]]
    work_before: list[int]
    is_whole: bool
    running_work: float
    pixel_steps_per_second: float | None


class Forecast:
    """Reads the table at most once in `SNAPSHOT_SECONDS`."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._latest: _Snapshot | None = None

    def add(self, job: Job) -> None:
        """Count a job that was accepted since the last look."""
        if self._latest is not None and self._latest.is_whole:
            self._latest.queued.append((job.created_at, job.job_id))
            self._latest.work_before.append(self._latest.work_before[-1] + job.request.pixel_steps)

    def place(self, job: Job) -> Place | None:
        """The place of a waiting job; None if it is not waiting, or has more than `QUEUED_COUNTED_MAX` before it."""
        if job.status is not Status.QUEUED:
            return None
        snapshot = self._snapshot()
        index = bisect_left(snapshot.queued, (job.created_at, job.job_id))
        if index == len(snapshot.queued) and not snapshot.is_whole:
            return None
        work = snapshot.work_before[index] + snapshot.running_work
        rate = snapshot.pixel_steps_per_second
        return Place(index + 1, round(work / rate, 1) if rate else None)

    def _snapshot(self) -> _Snapshot:
        now = time.monotonic()
        if self._latest is None or now - self._latest.taken_at > SNAPSHOT_SECONDS:
            queued = self._listing.oldest(Status.QUEUED, limit=QUEUED_COUNTED_MAX)
            running = self._listing.newest(Status.RUNNING, limit=RUNNING_COUNTED_MAX)
            done = self._listing.newest(Status.SUCCEEDED, limit=RECENT_JOBS)
            work_before = [0]
            for job in queued:
                work_before.append(work_before[-1] + job.request.pixel_steps)
            self._latest = _Snapshot(
                taken_at=now,
                queued=[(job.created_at, job.job_id) for job in queued],
                work_before=work_before,
                is_whole=len(queued) < QUEUED_COUNTED_MAX,
                running_work=sum(_work_left(job) for job in running),
                pixel_steps_per_second=pace(done),
            )
        return self._latest


def pace(done: Iterable[Job]) -> float | None:
    """Pixel-steps a second that the workers made together, over the time in which any of them was at these jobs.

    Measured over the union of the jobs' times, so that batches and parallel workers count as the help that they are.
    """
    spans = sorted(
        (job.started_at, job.finished_at, job.request.pixel_steps) for job in done if job.started_at and job.finished_at
    )
    seconds, end = 0.0, ""
    for started_at, finished_at, _ in spans:
        if finished_at > end:
            seconds += seconds_between(max(started_at, end), finished_at)
            end = finished_at
    return sum(work for *_, work in spans) / seconds if seconds > 0 else None


def _work_left(job: Job) -> float:
    done = job.step / job.total_steps if job.step is not None and job.total_steps else 0.0
    return job.request.pixel_steps * (1 - min(done, 1.0))
