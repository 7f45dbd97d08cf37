"""Jobs for clients, free of HTTP: show, wait for, list, cancel and delete them."""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from jobs.intake import Intake
from jobs.job import Job, Status, StoredImage, seconds_between, timestamp
from jobs.listing import PAGE_ITEMS, CursorError, Listing
from jobs.logs import Event, log_event
from jobs.store import JobStore
from lambda_api.caller import Caller
from lambda_api.forecast import Forecast
from lambda_api.problems import (
    IMAGE_NOT_FOUND,
    INVALID_REQUEST,
    JOB_ENDED,
    JOB_NOT_FOUND,
    JOB_RUNNING,
    UNAVAILABLE,
    ApiError,
)
from lambda_api.settings import ApiSettings
from lambda_api.views import ImageView, JobListView, JobView, ProgressView, QueueView, TimingsView
from lambda_api.waiting import waiting

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

URL_LIFETIME_SECONDS: Final = 3600
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
        forecast: Forecast,
        make_s3: "Callable[[], S3Client]",
        settings: ApiSettings,
        logger: Logger,
    ) -> None:
        self._store = store
        self._intake = intake
        self._listing = listing
        self._forecast = forecast
        self._make_s3 = make_s3
        self._settings = settings
        self._logger = logger

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
        """Remove the job's pictures, then its record.

        Raises `ApiError` 404, 409 while a worker has the job, or 503 if S3 kept a picture.
        """
        job = self.find(job_id, caller)
        if job.status is Status.QUEUED:
            job = self._cancel(job_id) or job
        if not job.status.is_final:
            raise ApiError(JOB_RUNNING, "The job is running: cancel it, and delete it when it has ended.")
        # Also what no record names: a worker that was stopped on the way may have stored some already.
        keys = {image.key for image in job.images} | {job.image_key(n) for n in range(job.request.num_images)}
        answer = self._make_s3().delete_objects(
            Bucket=self._settings.images_bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        if answer.get("Errors"):
            detail = "Not all pictures could be deleted; send the request again."
            raise ApiError(UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS_DEFAULT)})
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
