"""The job record: one picture order from acceptance to its end, as the store keeps it and the API shows it."""

from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from jobs.request import Generation


class Status(StrEnum):
    """Where a job stands. The last three are final: nothing changes a job that has reached one."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED)


class StoredImage(BaseModel):
    """One finished picture in the images bucket."""

    model_config = ConfigDict(frozen=True)

    key: str
    width: int
    height: int
    seed: int
    sha256: str
    bytes: int


class JobError(BaseModel):
    """Why a job failed: a stable code for programs and a sentence for people."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str


class WebhookStatus(StrEnum):
    """How far the announcement of a job's end has got. Pending: another attempt will follow."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookOutcome(BaseModel):
    """The last attempt to announce a job's end, and what came of it."""

    model_config = ConfigDict(frozen=True)

    status: WebhookStatus
    attempts: int
    last_attempt_at: str
    detail: str


class Job(BaseModel):
    """A job as it stands in the table. Times are UTC, ISO 8601 with milliseconds."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    owner: str
    status: Status
    correlation_id: str
    request: Generation
    created_at: str
    queued_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    attempts: int = 0
    # Denoising steps done, of `total_steps`; None while no worker has the job.
    step: int | None = None
    total_steps: int | None = None
    device: str | None = None
    # Where the last measured attempt ran, and sums over all of them: seconds on a device, its share of them, seconds
    # for storing pictures, and what the share cost. None until something has been measured.
    instance_type: str | None = None
    generate_seconds: float | None = None
    device_seconds: float | None = None
    store_seconds: float | None = None
    cost_dollars: float | None = None
    # A small JPEG of the unfinished picture, in base64; None unless it was asked for. It lives in the record, not in
    # the bucket: it then comes in the same write as the step that it shows, and goes with the job's end.
    preview: str | None = None
    # Somebody asked the worker that has the job to stop.
    cancel_requested: bool = False
    images: tuple[StoredImage, ...] = ()
    error: JobError | None = None
    # Where the job's end is announced, and what came of it.
    webhook_url: str | None = None
    webhook: WebhookOutcome | None = None
    expires_at: int


def timestamp(at: datetime | None = None) -> str:
    """`at` (now, when left out) as UTC ISO 8601 with milliseconds: the one form in which times are stored."""
    return (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one `timestamp` to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
