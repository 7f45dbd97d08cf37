"""Jobs for clients: accept one, and show where it stands."""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from jobs.job import Job, JobError, Status, timestamp
from jobs.logs import Event, log_event
from jobs.queue import JobMessage, JobQueue
from jobs.request import Generation, GenerationRequest
from jobs.store import JobStore
from lambda_api.problems import ApiError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

URL_LIFETIME_SECONDS: Final = 3600
JOB_LIFETIME_SECONDS: Final = 30 * 24 * 3600
RETRY_AFTER_SECONDS: Final = 5


class ImageView(BaseModel):
    """A finished picture. `url` works without a key for an hour; asking for the job again gives a fresh one."""

    url: str
    width: int
    height: int
    seed: int
    sha256: str
    bytes: int


class ProgressView(BaseModel):
    """Denoising steps done so far. `preview` is a small JPEG in base64, if the request asked for one."""

    step: int
    total_steps: int
    preview: str | None


class JobView(BaseModel):
    """A job as clients see it. Times are UTC, ISO 8601."""

    id: str
    status: Status
    request: Generation
    progress: ProgressView | None
    images: list[ImageView]
    error: JobError | None
    device: str | None
    attempts: int
    created_at: str
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    correlation_id: str


class Generations:
    """What the routes do, free of HTTP."""

    def __init__(
        self,
        *,
        store: JobStore,
        queue: JobQueue,
        s3: "S3Client",
        images_bucket: str,
        default_size_px: int,
        logger: Logger,
    ) -> None:
        self._store = store
        self._queue = queue
        self._s3 = s3
        self._images_bucket = images_bucket
        self._default_size_px = default_size_px
        self._logger = logger

    def accept(self, request: GenerationRequest, *, owner: str, correlation_id: str) -> JobView:
        """Write the job, then queue it. Raises `ApiError` if it could not be queued; then nothing was accepted."""
        job = Job(
            job_id=uuid4().hex,
            owner=owner,
            status=Status.QUEUED,
            correlation_id=correlation_id,
            request=request.complete(self._default_size_px),
            created_at=timestamp(),
            expires_at=int(time.time()) + JOB_LIFETIME_SECONDS,
        )
        self._store.create(job)
        try:
            self._queue.send(JobMessage(job_id=job.job_id, correlation_id=correlation_id))
        except (ClientError, BotoCoreError) as error:
            log_event(self._logger, Event.JOB_NOT_QUEUED, f"Could not queue: {error}", warning=True, job_id=job.job_id)
            self._store.withdraw(job.job_id)
            raise ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "queue-unavailable",
                "The job could not be queued, so it was not accepted. Send it again.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            ) from error
        log_event(
            self._logger,
            Event.JOB_ACCEPTED,
            f"Accepted {job.request.num_images} x {job.request.width}x{job.request.height}",
            job_id=job.job_id,
            owner=owner,
            width=job.request.width,
            height=job.request.height,
            num_inference_steps=job.request.num_inference_steps,
            num_images=job.request.num_images,
        )
        return self._view(job)

    def show(self, job_id: str) -> JobView:
        """The job as it stands. Raises `ApiError` 404 if there is none."""
        job = self._store.get(job_id)
        if job is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "job-not-found", f"There is no job {job_id[:64]}.")
        return self._view(job)

    def _view(self, job: Job) -> JobView:
        progress = None
        if job.status is Status.RUNNING and job.step is not None and job.total_steps is not None:
            progress = ProgressView(step=job.step, total_steps=job.total_steps, preview=job.preview)
        return JobView(
            id=job.job_id,
            progress=progress,
            images=[ImageView(url=self._url(image.key), **image.model_dump(exclude={"key"})) for image in job.images],
            **job.model_dump(include=set(JobView.model_fields) - {"id", "progress", "images"}),
        )

    def _url(self, key: str) -> str:
        return self._s3.generate_presigned_url(
            "get_object", Params={"Bucket": self._images_bucket, "Key": key}, ExpiresIn=URL_LIFETIME_SECONDS
        )
