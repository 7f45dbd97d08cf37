"""The heartbeat: while a job runs, keeps its message hidden and its lease alive, and writes its progress."""

import threading
from typing import Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from jobs.logs import Event, log_event
from jobs.queue import Delivery, JobQueue
from jobs.store import JobStore, Lease, LostLeaseError

# Progress is worth one write a second: a write every step cost 40 ms a job in measurements.
TICK_SECONDS: Final = 1.0
# Two beats may get lost before the lease runs out.
BEATS_PER_LEASE: Final = 3


class Heartbeat:
    """A thread that beats from `__enter__` to `__exit__`. After it has lost the lease, `is_lost` is true."""

    def __init__(
        self, store: JobStore, queue: JobQueue, delivery: Delivery, lease: Lease, lease_seconds: int, logger: Logger
    ) -> None:
        self._store = store
        self._queue = queue
        self._delivery = delivery
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._logger = logger
        self._finished = threading.Event()
        self._lost = threading.Event()
        self._step = 0
        self._total_steps = 0
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finished.set()
        self._thread.join()

    @property
    def is_lost(self) -> bool:
        """Whether the job went to someone else."""
        return self._lost.is_set()

    def progress(self, step: int, total_steps: int) -> None:
        """Note that the job has done `step` of `total_steps` steps."""
        self._total_steps = total_steps
        self._step = step

    def _beat(self) -> None:
        ticks_per_beat = max(1, int(self._lease_seconds / BEATS_PER_LEASE / TICK_SECONDS))
        ticks = written_step = 0
        while not self._finished.wait(TICK_SECONDS):
            ticks += 1
            is_beat = ticks % ticks_per_beat == 0
            step = self._step
            if not is_beat and step == written_step:
                continue
            try:
                self._store.renew(
                    self._lease, lease_seconds=self._lease_seconds, step=step, total_steps=self._total_steps
                )
                written_step = step
                if is_beat:
                    self._queue.hide(self._delivery, seconds=self._lease_seconds)
            except LostLeaseError:
                self._lost.set()
                return
            except (ClientError, BotoCoreError) as error:
                # The next beat tries again; only a silence as long as the lease costs the job.
                log_event(
                    self._logger,
                    Event.HEARTBEAT_MISSED,
                    f"Could not renew the lease: {error}",
                    warning=True,
                    job_id=self._lease.job_id,
                )
