"""What clients see: the models of the API's answers."""

from typing import Literal

from pydantic import BaseModel, Field

from jobs.job import JobError, Status, WebhookOutcome
from jobs.request import Generation


class ImageView(BaseModel):
    """A finished picture. `url` works without a key for an hour; asking for the job again gives a fresh one."""

    url: str
    width: int
    height: int
    seed: int
    sha256: str
    bytes: int


class ProgressView(BaseModel):
    """Denoising steps done so far."""

    step: int
    total_steps: int
    percent: int
    preview: str | None = Field(description="A small JPEG of the unfinished picture in base64, if it was asked for.")


class QueueView(BaseModel):
    """The place of a waiting job."""

    position: int = Field(description="1 is next.")
    expected_wait_seconds: float | None = Field(
        description="Work before this job, at the pace of the last jobs. Null while nothing has been measured."
    )


class TimingsView(BaseModel):
    """Seconds in each phase so far that has begun."""

    queued_seconds: float
    running_seconds: float | None
    generate_seconds: float | None = Field(description="On the device; null until an attempt has ended.")
    store_seconds: float | None = Field(description="Storing its pictures; null until an attempt has ended.")
    total_seconds: float


class JobView(BaseModel):
    """A job. Times are UTC, ISO 8601."""

    id: str
    status: Status
    request: Generation
    queue: QueueView | None = Field(
        description="Its place, while the job is queued. Null when it has more than 500 jobs before it."
    )
    progress: ProgressView | None
    images: list[ImageView]
    error: JobError | None
    cancel_requested: bool
    device: str | None
    attempts: int
    timings: TimingsView
    instance_type: str | None = Field(description="What it ran on; null until an attempt has ended.")
    device_seconds: float | None = Field(
        description="Its share of the device's time, over all attempts; null until one has ended."
    )
    cost_dollars: float | None = Field(
        description="What the device seconds cost; null until an attempt has ended, and where there is no price."
    )
    created_at: str
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    correlation_id: str
    webhook_url: str | None
    webhook: WebhookOutcome | None = Field(description="The last attempt to announce the job's end; null before it.")


class JobListView(BaseModel):
    """A page of jobs, newest first."""

    items: list[JobView]
    next_cursor: str | None = Field(description="Give it as `cursor` for the jobs that follow; null on the last page.")


class ModelView(BaseModel):
    """A model that makes pictures."""

    id: str
    default_width: int
    default_height: int
    live_workers: int


class ModelListView(BaseModel):
    """What can be asked for."""

    items: list[ModelView]


class WorkerView(BaseModel):
    """A worker that was alive at `seen_at`."""

    id: str
    device: str
    seen_at: str


class HealthView(BaseModel):
    """How the system is: `degraded` means that jobs wait and no worker is alive."""

    status: Literal["ok", "degraded"]
    queue_depth: int = Field(description="Messages waiting and in flight, by SQS's approximate count.")
    oldest_job_seconds: float | None = Field(description="How long the first job in the queue has waited.")
    live_workers: int
    workers: list[WorkerView]
