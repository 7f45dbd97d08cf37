"""The worker loop: one message, one job, one end; whatever goes wrong, a job stays queued until it has ended."""

import hashlib
import io
import threading
import time
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from gpu_service.errors import GenerationError, Interrupted
from gpu_service.heartbeat import Heartbeat
from gpu_service.pipeline import Generator, total_steps
from jobs.job import Job, JobError, StoredImage, seconds_between
from jobs.logs import CORRELATION_ID, JOB_ID, Event, log_event
from jobs.queue import Delivery, JobQueue
from jobs.store import JobStore, Lease, LostLeaseError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Short, so that a worker that is told to stop while it waits stops soon.
LONG_POLL_SECONDS: Final = 2
# A job that takes its worker down with it would otherwise take down every worker in turn.
ATTEMPTS_MAX: Final = 3
RETRY_SECONDS: Final = 5


class Worker:
    """Runs jobs until told to stop."""

    def __init__(
        self,
        *,
        store: JobStore,
        queue: JobQueue,
        s3: "S3Client",
        images_bucket: str,
        generator: Generator,
        lease_seconds: int,
        logger: Logger,
    ) -> None:
        self._store = store
        self._queue = queue
        self._s3 = s3
        self._images_bucket = images_bucket
        self._generator = generator
        self._lease_seconds = lease_seconds
        self._logger = logger
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Take no more jobs, and hand back the one that is running. Safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Receive and run jobs until `stop`. A queue that can't be reached is tried again until it can."""
        while not self._stopping.is_set():
            try:
                delivery = self._queue.receive(wait_seconds=LONG_POLL_SECONDS, visibility_seconds=self._lease_seconds)
                if delivery is not None:
                    self._take(delivery)
            except LostLeaseError as error:
                # Whoever has the job now ends it, and deletes its message.
                log_event(self._logger, Event.JOB_LOST, str(error), warning=True)
            except (ClientError, BotoCoreError) as error:
                # The message is still on the queue and comes back when its invisibility ends.
                log_event(self._logger, Event.AWS_UNREACHABLE, f"AWS did not answer: {error}", warning=True)
                self._stopping.wait(RETRY_SECONDS)

    def _take(self, delivery: Delivery) -> None:
        message = delivery.message
        if message is None:
            # Left alone, it reaches the dead-letter queue, where a person can look at it.
            log_event(self._logger, Event.MESSAGE_REFUSED, "A message on the queue is not a job", warning=True)
            return
        self._logger.append_keys(**{CORRELATION_ID: message.correlation_id, JOB_ID: message.job_id})
        try:
            started = self._store.start(
                message.job_id,
                lease_seconds=self._lease_seconds,
                queued_at=delivery.queued_at,
                device=self._generator.device,
            )
            if started is None:
                self._skip(delivery, message.job_id)
            else:
                self._run_job(delivery, *started)
        finally:
            self._logger.remove_keys([CORRELATION_ID, JOB_ID])

    def _skip(self, delivery: Delivery, job_id: str) -> None:
        job = self._store.get(job_id)
        if job is None or job.status.is_final:
            self._queue.delete(delivery)
        else:
            # Another worker has it. Should that one fall silent, this message is what brings the job back.
            self._queue.hide(delivery, seconds=self._lease_seconds)
        status = "gone" if job is None else job.status
        log_event(self._logger, Event.JOB_SKIPPED, f"Nothing to do: the job is {status}", status=str(status))

    def _run_job(self, delivery: Delivery, job: Job, lease: Lease) -> None:
        log_event(
            self._logger,
            Event.JOB_STARTED,
            f"Started attempt {job.attempts}",
            attempts=job.attempts,
            device=job.device,
            queue_wait_seconds=round(seconds_between(job.created_at, job.started_at or job.created_at), 3),
        )
        try:
            self._finish(delivery, lease, job)
        except Interrupted:
            self._store.hand_back(lease)
            self._queue.hide(delivery, seconds=0)
            log_event(self._logger, Event.JOB_HANDED_BACK, "Handed the job back to the queue: told to stop")
        except (ClientError, BotoCoreError) as error:
            # Not the job's fault: it costs no attempt. If even this can't be written, the lease runs out by itself.
            self._store.hand_back(lease)
            self._queue.hide(delivery, seconds=RETRY_SECONDS)
            log_event(self._logger, Event.JOB_HANDED_BACK, f"Handed the job back to the queue: {error}", warning=True)

    def _finish(self, delivery: Delivery, lease: Lease, job: Job) -> None:
        started = time.monotonic()
        images: tuple[StoredImage, ...] = ()
        error: JobError | None = None
        if job.attempts > ATTEMPTS_MAX:
            error = JobError(
                code="worker_lost", message=f"{ATTEMPTS_MAX} workers in a row stopped without a word while on this job."
            )
        else:
            with Heartbeat(self._store, self._queue, delivery, lease, self._lease_seconds, self._logger) as heartbeat:
                try:
                    images = self._make_images(job, heartbeat)
                except (RuntimeError, ValueError, GenerationError) as cause:
                    # The pipeline's own errors; running the same request again would end the same way.
                    self._logger.exception("The pipeline failed", extra={"event": str(Event.JOB_FAILED)})
                    error = JobError(code="generation_failed", message=f"The model could not make it: {cause}")
        ended = self._store.fail(lease, error) if error else self._store.succeed(lease, images)
        self._queue.delete(delivery)
        log_event(
            self._logger,
            Event.JOB_FAILED if error else Event.JOB_SUCCEEDED,
            error.message if error else f"Made {len(images)} picture{'s' if len(images) != 1 else ''}",
            warning=error is not None,
            run_seconds=round(time.monotonic() - started, 3),
            total_seconds=round(seconds_between(ended.created_at, ended.finished_at or ended.created_at), 3),
            images=len(images),
            attempts=ended.attempts,
            **({"error_code": error.code} if error else {}),
        )

    def _make_images(self, job: Job, heartbeat: Heartbeat) -> tuple[StoredImage, ...]:
        total = total_steps(job.request)
        made: list[StoredImage] = []
        pictures = self._generator.generate(
            job.request,
            on_step=lambda step: heartbeat.progress(step, total),
            should_stop=lambda: self._stopping.is_set() or heartbeat.is_lost,
        )
        for index, picture in enumerate(pictures):
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            body = buffer.getvalue()
            # The same name at every attempt: a repeated job overwrites its own pictures with the same ones.
            key = f"{job.job_id}/{index}.png"
            self._s3.put_object(Bucket=self._images_bucket, Key=key, Body=body, ContentType="image/png")
            made.append(
                StoredImage(
                    key=key,
                    width=picture.width,
                    height=picture.height,
                    seed=job.request.image_seed(index),
                    sha256=hashlib.sha256(body).hexdigest(),
                    bytes=len(body),
                )
            )
        return tuple(made)
