"""Jobs for clients, free of HTTP: accept, show, wait for, list, cancel and delete them."""

import hashlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from jobs.embedded import embedded
from jobs.intake import Intake, KeyInUseError, Use
from jobs.job import Job, Status, StoredImage, seconds_between, timestamp
from jobs.listing import PAGE_ITEMS, CursorError, Listing
from jobs.logs import SERVICE_API, Event, log_event
from jobs.metrics import Metric
from jobs.queue import JobMessage, JobQueue
from jobs.request import Generation, GenerationRequest
from jobs.store import JobStore
from lambda_api.caller import Caller
from lambda_api.forecast import Forecast
from lambda_api.problems import (
    IMAGE_NOT_FOUND,
    INVALID_REQUEST,
    JOB_ENDED,
    JOB_NOT_FOUND,
    JOB_RUNNING,
    JOB_TOO_LARGE,
    KEY_IN_USE,
    KEY_REUSED,
    KEY_SPENT,
    ApiError,
)
from lambda_api.settings import ApiSettings
from lambda_api.usage import Usage
from lambda_api.views import ImageView, JobListView, JobView, ProgressView, QueueView, TimingsView
from lambda_api.waiting import waiting

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

URL_LIFETIME_SECONDS: Final = 3600
JOB_LIFETIME_SECONDS: Final = 30 * 24 * 3600
RETRY_AFTER_SECONDS_DEFAULT: Final = 5
RETRY_AFTER_SECONDS_MAX: Final = 60
POLL_SECONDS_MIN: Final = 0.1
POLL_SECONDS_MAX: Final = 1.0


class Generations:
    """What the routes do. A caller sees the jobs that it made, and no others: for it they do not exist."""

    def __init__(
        self,
        *,
        store: JobStore,
        intake: Intake,
        listing: Listing,
        queue: JobQueue,
        usage: Usage,
        make_s3: "Callable[[], S3Client]",
        settings: ApiSettings,
        logger: Logger,
    ) -> None:
        self._store = store
        self._intake = intake
        self._listing = listing
        self._forecast = Forecast(listing)
        self._queue = queue
        self._usage = usage
        self._make_s3 = make_s3
        self._settings = settings
        self._logger = logger

    def accept(
        self, request: GenerationRequest, caller: Caller, correlation_id: str, idempotency_key: str | None = None
    ) -> Job:
        """Write a job and queue it. With an idempotency key that was used for the same request: that one's job.

        A job that is written is accepted: should SQS not take it now, the sweep queues it.
        Raises `ApiError` 409 or 422.
        """
        completed = request.complete(self._settings.default_size_px)
        self._check_cost(completed)
        job = Job(
            job_id=uuid4().hex,
            owner=caller.name,
            status=Status.QUEUED,
            correlation_id=correlation_id,
            request=completed,
            webhook_url=request.webhook_url,
            created_at=timestamp(),
            expires_at=int(time.time()) + JOB_LIFETIME_SECONDS,
        )
        if earlier := self._create(job, request, caller, idempotency_key):
            return earlier
        tells = self._settings.log_prompts
        log_event(
            self._logger,
            Event.JOB_ACCEPTED,
            f"Accepted {completed.num_images} x {completed.width}x{completed.height}",
            job_id=job.job_id,
            caller=caller.name,
            width=completed.width,
            height=completed.height,
            num_inference_steps=completed.num_inference_steps,
            num_images=completed.num_images,
            pixel_steps=completed.pixel_steps,
            prompt=completed.prompt if tells else None,
            negative_prompt=completed.negative_prompt if tells else None,
            metrics=embedded(SERVICE_API, self._settings.project, {Metric.JOBS_ACCEPTED: 1}),
        )
        self._enqueue(job)
        self._forecast.add(job)
        return job

    def find(self, job_id: str, caller: Caller) -> Job:
        """The job as it stands. Raises `ApiError` 404."""
        job = self._store.get(job_id) if _is_job_id(job_id) else None
        if job is None or job.owner != caller.name:
            raise ApiError(JOB_NOT_FOUND, f"There is no job {job_id[:64]}.")
        return job

    def wait(self, job_id: str, caller: Caller, seconds: float) -> Job:
        """The job as soon as it has ended, or as it stands after `seconds`. Raises `ApiError` 404."""
        deadline = time.monotonic() + seconds
        pause = POLL_SECONDS_MIN
        job = self.find(job_id, caller)
        with waiting():
            while not job.status.is_final and (left := deadline - time.monotonic()) > 0:
                time.sleep(min(pause, left))
                pause = min(pause * 1.3, POLL_SECONDS_MAX)
                job = self.find(job_id, caller)
        return job

    def cancel(self, job_id: str, caller: Caller) -> Job:
        """Cancel the job: at once if it is queued, at its worker's next step if it runs. Raises `ApiError` 404 or 409.

        A job that is canceled already stays so.
        """
        self.find(job_id, caller)
        job = self._cancel(job_id)
        if job is None:
            raise ApiError(JOB_NOT_FOUND, f"There is no job {job_id}.")
        if job.status.is_final and job.status is not Status.CANCELED:
            raise ApiError(JOB_ENDED, f"The job has {job.status} already.")
        log_event(self._logger, Event.JOB_CANCEL_REQUESTED, f"Cancel: the job is {job.status}", job_id=job_id)
        return job

    def delete(self, job_id: str, caller: Caller) -> None:
        """Remove the job's pictures, then its record. Raises `ApiError` 404, or 409 while a worker has the job."""
        job = self.find(job_id, caller)
        if job.status is Status.QUEUED:
            job = self._cancel(job_id) or job
        if not job.status.is_final:
            raise ApiError(JOB_RUNNING, "The job is running: cancel it, and delete it when it has ended.")
        if job.images:
            objects = [{"Key": image.key} for image in job.images]
            self._make_s3().delete_objects(Bucket=self._settings.images_bucket, Delete={"Objects": objects})  # type: ignore[typeddict-item]
        self._intake.delete(job_id)
        log_event(self._logger, Event.JOB_DELETED, "Deleted the job and its pictures", job_id=job_id)

    def list(self, caller: Caller, *, status: Status | None, limit: int, cursor: str | None) -> JobListView:
        """A page of the caller's jobs, newest first. Raises `ApiError` 422 for a cursor that is none of ours."""
        try:
            page = self._listing.owned(caller.name, status=status, limit=limit, cursor=cursor)
        except CursorError:
            raise ApiError(
                INVALID_REQUEST,
                "The cursor is not valid.",
                errors=[{"field": "cursor", "message": "Give the `next_cursor` of an earlier page, or none"}],
            ) from None
        return JobListView(items=[self.view(job) for job in page.jobs], next_cursor=page.cursor)

    def current(self, caller: Caller) -> Job | None:
        """The caller's job that runs, or else the one of its queued ones that is next; of its newest hundred."""
        jobs = self._listing.owned(caller.name, status=None, limit=PAGE_ITEMS, cursor=None).jobs
        for status in (Status.RUNNING, Status.QUEUED):
            if matching := [job for job in jobs if job.status is status]:
                return matching[-1]
        return None

    def image_url(self, job: Job, index: int) -> str:
        """A URL of picture number `index`, from 0, that works without a key for an hour. Raises `ApiError` 404."""
        if index >= len(job.images):
            raise ApiError(IMAGE_NOT_FOUND, f"The job is {job.status} and has {len(job.images)} pictures.")
        return self._url(job.images[index].key)

    def image(self, image: StoredImage) -> bytes:
        """A picture's file."""
        stored = self._make_s3().get_object(Bucket=self._settings.images_bucket, Key=image.key)
        return stored["Body"].read()

    def retry_after_seconds(self, job: Job) -> int:
        """When to ask for an unfinished job again."""
        place = self._forecast.place(job)
        if place is None or place.expected_wait_seconds is None:
            return RETRY_AFTER_SECONDS_DEFAULT
        return max(1, min(math.ceil(place.expected_wait_seconds), RETRY_AFTER_SECONDS_MAX))

    def view(self, job: Job) -> JobView:
        """The job as clients see it."""
        progress = None
        if job.status is Status.RUNNING and job.step is not None and job.total_steps:
            percent = min(100, 100 * job.step // job.total_steps)
            progress = ProgressView(step=job.step, total_steps=job.total_steps, percent=percent, preview=job.preview)
        place = self._forecast.place(job)
        return JobView(
            id=job.job_id,
            queue=QueueView(position=place.position, expected_wait_seconds=place.expected_wait_seconds)
            if place
            else None,
            progress=progress,
            images=[ImageView(url=self._url(image.key), **image.model_dump(exclude={"key"})) for image in job.images],
            timings=_timings(job),
            **job.model_dump(include=set(JobView.model_fields) - {"images"}),
        )

    def _cancel(self, job_id: str) -> Job | None:
        canceled = self._store.cancel(job_id)
        if canceled is None:
            return None
        job = canceled.job
        if canceled.is_end:
            # No worker will tell of it.
            waited_seconds = _timings(job).total_seconds
            log_event(
                self._logger,
                Event.JOB_CANCELED,
                "Canceled before a worker had it",
                job_id=job_id,
                correlation_id=job.correlation_id,
                caller=job.owner,
                attempts=job.attempts,
                queue_wait_seconds=waited_seconds,
                total_seconds=waited_seconds,
                images=0,
                pixel_steps=job.request.pixel_steps,
                device_seconds=0.0,
                cost_dollars=0.0,
            )
        return job

    def _check_cost(self, request: Generation) -> None:
        limit = self._settings.pixel_steps_max
        if request.pixel_steps > limit:
            raise ApiError(
                JOB_TOO_LARGE,
                f"width x height x num_inference_steps x num_images is {request.pixel_steps:,}; "
                f"the limit is {limit:,}.",
                errors=[
                    {"field": field, "message": f"together at most {limit} pixel-steps"}
                    for field in ("width", "height", "num_inference_steps", "num_images")
                ],
            )

    def _create(self, job: Job, request: GenerationRequest, caller: Caller, key: str | None) -> Job | None:
        """Write the job, and count it against the key's limits. Returns the earlier job if the request is a repeat."""
        body_hash = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        # Before the limits are asked: a repeat is no further job.
        if key is not None and (use := self._intake.use(caller.name, key)):
            return self._repeated(use, body_hash, caller)
        self._usage.reserve(caller, job.job_id, job.request.pixel_steps)
        use = None
        try:
            if key is None:
                self._intake.create(job)
            else:
                use = self._intake.create_once(job, key, body_hash)
        except (KeyInUseError, BotoCoreError, ClientError) as error:
            self._usage.release(caller, job.job_id, job.request.pixel_steps)
            if not isinstance(error, KeyInUseError):
                raise
            raise ApiError(
                KEY_IN_USE,
                "A request with this Idempotency-Key is being accepted; ask again in a second.",
                headers={"Retry-After": "1"},
            ) from None
        if use is None:
            return None
        self._usage.release(caller, job.job_id, job.request.pixel_steps)
        return self._repeated(use, body_hash, caller)

    def _repeated(self, use: Use, body_hash: str, caller: Caller) -> Job:
        if use.body_hash != body_hash:
            raise ApiError(
                KEY_REUSED, "This Idempotency-Key came with another request. Use a new key for a new request."
            )
        earlier = self._store.get(use.job_id)
        if earlier is None or earlier.owner != caller.name:
            raise ApiError(KEY_SPENT, "The job that this Idempotency-Key made has been deleted. Use a new key.")
        if earlier.status is Status.QUEUED and earlier.queued_at is None:
            self._enqueue(earlier)
        return earlier

    def _enqueue(self, job: Job) -> None:
        message = JobMessage(job_id=job.job_id, correlation_id=job.correlation_id)
        try:
            self._queue.send(message)
            self._intake.mark_queued(job.job_id)
        except (BotoCoreError, ClientError) as error:
            # The job stands in the table without a mark, which is what the sweep looks for.
            log_event(self._logger, Event.JOB_NOT_QUEUED, f"Not queued yet: {error}", warning=True, job_id=job.job_id)

    def _url(self, key: str) -> str:
        return self._make_s3().generate_presigned_url(
            "get_object",
            Params={"Bucket": self._settings.images_bucket, "Key": key},
            ExpiresIn=URL_LIFETIME_SECONDS,
        )


def _is_job_id(text: str) -> bool:
    # Other things than jobs live in the same table, and none of them is named like this.
    return len(text) == 32 and text.isalnum()


def _timings(job: Job) -> TimingsView:
    now = timestamp()
    ended = job.finished_at or now
    running = seconds_between(job.started_at, ended) if job.started_at else None
    return TimingsView(
        queued_seconds=round(seconds_between(job.created_at, job.started_at or ended), 3),
        running_seconds=None if running is None else round(running, 3),
        generate_seconds=job.generate_seconds,
        store_seconds=job.store_seconds,
        total_seconds=round(seconds_between(job.created_at, ended), 3),
    )
