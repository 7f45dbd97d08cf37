"""How a job leaves the worker's hands: succeeded, failed, canceled or handed back; each written once, by one thread."""

from collections.abc import Iterable, Sequence
from typing import Final, Unpack

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from gpu_service.aws_process import PROCESS_GONE
from gpu_service.hands import Hands, Held, Phase
from gpu_service.host import Host
from gpu_service.status import WorkerStatus
from jobs import names
from jobs.job import JobError, StoredImage, seconds_between, timestamp
from jobs.logs import EndFields, Event, JobFields, log_event
from jobs.measured import Measured
from jobs.prices import dollars
from jobs.queue import Delivery, JobQueue, QueueError
from jobs.store import JobStore, LostLeaseError

# What AWS calls raise when AWS does not answer, or does not do what it was asked to.
AWS_ERRORS: Final = (ClientError, BotoCoreError, QueueError)
# A job that takes its worker down with it would otherwise take down every worker in turn.
ATTEMPTS_MAX: Final = 3


class Endings:
    """Writes the ends of jobs, then takes their messages off the queue. Thread-safe."""

    def __init__(
        self,
        *,
        store: JobStore,
        queue: JobQueue,
        dead_letters: JobQueue | None,
        hands: Hands,
        status: WorkerStatus,
        host: Host,
        logger: Logger,
    ) -> None:
        self._store = store
        self._queue = queue
        self._dead_letters = dead_letters
        self._hands = hands
        self._status = status
        self._host = host
        self._logger = logger

    def succeed(self, held: Held, images: tuple[StoredImage, ...]) -> None:
        """Record the pictures. The message is left to `forget`. Raises `LostLeaseError` and AWS errors."""
        held.phase = Phase.ENDING
        measured = self._measure(held)
        ended = self._store.succeed(held.lease, images, measured)
        self._hands.release(held)
        self._status.add(jobs_succeeded=1, images=len(images))
        fields = self._count(held, measured, images=len(images), ended_at=ended.finished_at)
        self._status.answered(fields["total_seconds"])
        text = f"Made {len(images)} picture{'s' if len(images) != 1 else ''}"
        log_event(self._logger, Event.JOB_SUCCEEDED, text, **fields)

    def fail(self, held: Held, error: JobError) -> None:
        """Record why there are no pictures, and drop the message. Raises `LostLeaseError` and AWS errors."""
        held.phase = Phase.ENDING
        measured = self._measure(held)
        ended = self._store.fail(held.lease, error, measured)
        self._hands.release(held)
        self._status.add(jobs_failed=1)
        fields = self._count(held, measured, ended_at=ended.finished_at)
        self._status.answered(fields["total_seconds"])
        log_event(self._logger, Event.JOB_FAILED, error.message, warning=True, **fields, error_code=error.code)
        self.forget([held])

    def give_up(self, held: Held) -> None:
        """Fail a job that workers kept getting lost on, and put its message where a person can look at it."""
        if self._dead_letters is not None:
            # First, because it is the one thing that a repetition can't make up for; twice does no harm.
            self._dead_letters.send_body(held.delivery.body)
        text = f"{ATTEMPTS_MAX} workers in a row stopped without a word, or lost their device, while on this job."
        self.fail(held, JobError(code="worker_lost", message=text))

    def cancel(self, held: Held) -> None:
        """Record that the job was canceled, and drop the message."""
        if not self._hands.release(held):
            return
        measured = self._measure(held)
        ended = self._store.end_canceled(held.lease, measured)
        self._status.add(jobs_canceled=1)
        fields = self._count(held, measured, ended_at=ended.finished_at)
        log_event(self._logger, Event.JOB_CANCELED, "Canceled on request", **fields)
        self.forget([held])

    def hand_back(
        self, jobs: Iterable[Held], reason: str, *, delay_seconds: int = 0, counts_as_attempt: bool = False
    ) -> None:
        """Give jobs to the next worker, in `delay_seconds`. What can't be written is left to its lease to give back."""
        for held in jobs:
            if not self._hands.release(held):
                continue
            try:
                if held.delivery.receive_count >= names.MAX_RECEIVE_COUNT:
                    # Once more on the queue and SQS would take the message away, and leave the job queued for ever.
                    text = f"It was taken up {held.delivery.receive_count} times and never finished: {reason}."
                    self.fail(held, JobError(code="never_finished", message=text))
                    continue
                measured = self._measure(held)
                self._store.hand_back(held.lease, measured, counts_as_attempt=counts_as_attempt)
                self._queue.hide([held.delivery], seconds=delay_seconds)
            except LostLeaseError:
                continue
            except (*AWS_ERRORS, *PROCESS_GONE) as error:
                text = f"Could not hand the job back; its lease will: {error}"
                log_event(self._logger, Event.AWS_UNREACHABLE, text, warning=True, **held.log_fields)
                continue
            self._status.add(jobs_handed_back=1)
            text = f"Handed the job back to the queue: {reason}"
            fields = self._count(held, measured)
            log_event(self._logger, Event.JOB_HANDED_BACK, text, **fields, reason=reason)

    def lose(self, held: Held) -> None:
        """The lease went to someone else, who will end the job and delete its message."""
        if self._hands.release(held):
            fields = self._count(held, self._measure(held))
            log_event(self._logger, Event.JOB_LOST, "Another worker has the job now", warning=True, **fields)

    def forget(self, jobs: Sequence[Held]) -> None:
        """Take the messages of ended jobs off the queue. One that stays comes back, and is dropped then."""
        if not jobs:
            return
        try:
            self._queue.delete([held.delivery for held in jobs])
        except AWS_ERRORS as error:
            log_event(self._logger, Event.AWS_UNREACHABLE, f"Could not delete messages: {error}", warning=True)

    def refuse(self, delivery: Delivery, reason: str, **fields: Unpack[JobFields]) -> None:
        """Move a message that no job can be made of to the dead letters; without any, SQS does it in the end."""
        log_event(self._logger, Event.MESSAGE_REFUSED, f"A message is refused: {reason}", warning=True, **fields)
        if self._dead_letters is not None:
            self._dead_letters.send_body(delivery.body)
            self._queue.delete([delivery])

    def _measure(self, held: Held) -> Measured:
        """What the attempt took; to be asked when the job is off the device."""
        price, device_seconds = self._host.dollars_per_hour, round(held.device_seconds, 6)
        return Measured(
            instance_type=self._host.instance_type,
            generate_seconds=round(held.generate_seconds, 6),
            device_seconds=device_seconds,
            store_seconds=round(held.store_seconds, 6),
            cost_dollars=None if price is None else dollars(price, device_seconds),
        )

    def _count(self, held: Held, measured: Measured, *, images: int = 0, ended_at: str | None = None) -> EndFields:
        """Count what an attempt that has ended took. Returns it for the log."""
        self._status.add(job_dollars=measured.cost_dollars or 0.0)
        job, ended_at = held.job, ended_at or timestamp()
        return EndFields(
            **held.log_fields,
            attempts=job.attempts,
            device=job.device,
            instance_type=measured.instance_type,
            batch_jobs=held.batch_jobs,
            queue_wait_seconds=round(held.queue_wait_seconds, 3),
            run_seconds=round(seconds_between(job.started_at or job.created_at, ended_at), 3),
            generate_seconds=round(measured.generate_seconds, 3),
            store_seconds=round(measured.store_seconds, 3),
            total_seconds=round(seconds_between(job.created_at, ended_at), 3),
            images=images,
            pixel_steps=job.request.pixel_steps,
            device_seconds=measured.device_seconds,
            cost_dollars=measured.cost_dollars,
        )
