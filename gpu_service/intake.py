"""The intake: receives messages and claims their jobs, just far enough ahead that the device never waits."""

import threading
from typing import Final

from aws_lambda_powertools import Logger

from gpu_service.endings import ATTEMPTS_MAX, AWS_ERRORS, Endings
from gpu_service.engine import Engine
from gpu_service.hands import Hands, Held, Phase
from gpu_service.status import WorkerStatus
from jobs.items import UnreadableJobError
from jobs.logs import Event, log_event
from jobs.queue import MESSAGES_MAX, Delivery, JobQueue
from jobs.store import JobStore, LostLeaseError

# Short, so that a worker that is told to stop while it waits stops soon.
LONG_POLL_SECONDS: Final = 2
# The next jobs are claimed when the device is this close to running dry. Earlier would keep them from a worker that is
# free now; later would leave the device waiting for AWS.
AHEAD_SECONDS: Final = 2.0
# Finished batches that may wait to be stored before no more are begun.
FINISHING_JOBS_MAX: Final = 16
# How far apart tries are while AWS does not answer.
RETRY_SECONDS_MIN: Final = 1.0
RETRY_SECONDS_MAX: Final = 30.0
LOOK_AGAIN_SECONDS: Final = 0.5


class Intake:
    """Runs on a thread of its own until `stopping` is set."""

    def __init__(
        self,
        *,
        store: JobStore,
        queue: JobQueue,
        hands: Hands,
        endings: Endings,
        engine: Engine,
        status: WorkerStatus,
        lease_seconds: int,
        stopping: threading.Event,
        logger: Logger,
    ) -> None:
        self._store = store
        self._queue = queue
        self._hands = hands
        self._endings = endings
        self._engine = engine
        self._status = status
        self._lease_seconds = lease_seconds
        self._stopping = stopping
        self._logger = logger
        # Of the last job: what the next ones are expected to be like.
        self._limit = MESSAGES_MAX

    def run(self) -> None:
        """Receive and claim. A queue or table that does not answer is tried again until it does."""
        retry_seconds = RETRY_SECONDS_MIN
        while not self._stopping.is_set():
            if not self._hands.wait_for(lambda: self._stopping.is_set() or self._room() > 0, LOOK_AGAIN_SECONDS):
                continue
            if self._stopping.is_set():
                return
            deliveries: list[Delivery] = []
            try:
                deliveries = self._queue.receive(
                    messages_max=self._room(), wait_seconds=LONG_POLL_SECONDS, visibility_seconds=self._lease_seconds
                )
                self._claim(deliveries)
                retry_seconds = RETRY_SECONDS_MIN
            except AWS_ERRORS as error:
                log_event(self._logger, Event.AWS_UNREACHABLE, f"AWS did not answer: {error}", warning=True)
                self._put_back(deliveries, seconds=round(retry_seconds))
                self._stopping.wait(retry_seconds)
                retry_seconds = min(2 * retry_seconds, RETRY_SECONDS_MAX)

    def _room(self) -> int:
        """How many more jobs to take now."""
        jobs = self._hands.all()
        if any(held.is_suspect for held in jobs):
            return 0
        if sum(held.phase in (Phase.FINISHING, Phase.ENDING) for held in jobs) > FINISHING_JOBS_MAX:
            return 0
        if any(held.phase is Phase.RUNNING for held in jobs):
            now = self._status.snapshot()
            if now.run is None or now.remaining_seconds is None or now.remaining_seconds > AHEAD_SECONDS:
                return 0
        waiting = sum(held.job.request.num_images for held in jobs if held.phase is Phase.WAITING)
        return max(0, self._limit - waiting)

    def _claim(self, deliveries: list[Delivery]) -> None:
        """Take the jobs in hand, all at once so that they can be run together, up to a full batch of them.

        Deliveries are taken off the list as they are dealt with.
        """
        claimed: list[Held] = []
        images = sum(held.job.request.num_images for held in self._hands.all(Phase.WAITING))
        try:
            while deliveries and not self._stopping.is_set() and images < self._limit:
                held = self._claim_one(deliveries[0])
                deliveries.pop(0)
                if held is not None:
                    request = held.job.request
                    self._limit = self._engine.batch_limit(request.width, request.height)
                    images += request.num_images
                    claimed.append(held)
        finally:
            self._hands.add(claimed)
        if deliveries:
            self._put_back(deliveries, seconds=0)

    def _claim_one(self, delivery: Delivery) -> Held | None:
        message = delivery.message
        if message is None:
            self._endings.refuse(delivery, "it is not one of ours")
            return None
        try:
            started = self._store.start(
                message.job_id,
                lease_seconds=self._lease_seconds,
                queued_at=delivery.queued_at,
                device=self._engine.device,
            )
        except UnreadableJobError as error:
            self._endings.refuse(delivery, str(error), job_id=message.job_id, correlation_id=message.correlation_id)
            return None
        if started is None:
            self._skip(delivery, message.job_id, message.correlation_id)
            return None
        held = Held(delivery, *started)
        log_event(
            self._logger,
            Event.JOB_RECEIVED,
            f"Received for attempt {held.job.attempts}",
            **held.log_fields,
            attempts=held.job.attempts,
            device=held.job.device,
            queue_wait_seconds=round(held.queue_wait_seconds, 3),
        )
        try:
            if held.job.cancel_requested:
                self._hands.add([held])
                self._endings.cancel(held)
                return None
            if held.job.attempts > ATTEMPTS_MAX:
                self._endings.give_up(held)
                return None
        except LostLeaseError:
            return None
        return held

    def _skip(self, delivery: Delivery, job_id: str, correlation_id: str) -> None:
        try:
            job = self._store.get(job_id)
            is_over = job is None or job.status.is_final
            status = "gone" if job is None else str(job.status)
        except UnreadableJobError:
            is_over, status = False, "unreadable"
        if is_over:
            self._queue.delete([delivery])
        else:
            # Another worker has it. Should that one fall silent, this message is what brings the job back.
            self._queue.hide([delivery], seconds=self._lease_seconds)
        log_event(
            self._logger,
            Event.JOB_SKIPPED,
            f"Nothing to do: the job is {status}",
            job_status=status,
            job_id=job_id,
            correlation_id=correlation_id,
        )

    def _put_back(self, deliveries: list[Delivery], *, seconds: int) -> None:
        try:
            self._queue.hide(deliveries, seconds=seconds)
        except AWS_ERRORS as error:
            text = f"{len(deliveries)} messages come back later than they should: {error}"
            log_event(self._logger, Event.AWS_UNREACHABLE, text, warning=True)
