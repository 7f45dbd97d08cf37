"""The log vocabulary: one JSON line an event, the same field names in the API and the worker."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

SERVICE_API: Final = "api"
SERVICE_SWEEP: Final = "sweep"
SERVICE_WORKER: Final = "worker"
SERVICE_WEBHOOKS: Final = "webhooks"


class Event(StrEnum):
    """What happened. The value stands in the field `event` of every line."""

    REQUEST = "request"
    REQUEST_FAILED = "request_failed"
    JOB_ACCEPTED = "job_accepted"
    JOB_NOT_QUEUED = "job_not_queued"
    JOB_QUEUED_AGAIN = "job_queued_again"
    JOB_CANCEL_REQUESTED = "job_cancel_requested"
    JOB_DELETED = "job_deleted"
    SWEPT = "swept"
    WORKER_STARTED = "worker_started"
    MODEL_FETCHING = "model_fetching"
    MODEL_FETCHED = "model_fetched"
    DEVICE_PLAN = "device_plan"
    GPU_UNUSABLE = "gpu_unusable"
    COMPILED = "compiled"
    COMPILE_FAILED = "compile_failed"
    RUNG_LOWERED = "rung_lowered"
    GPU_UNREADABLE = "gpu_unreadable"
    COLD_START = "cold_start"
    WORKER_READY = "worker_ready"
    WORKER_SAMPLE = "worker_sample"
    WORKER_STOPPED = "worker_stopped"
    THREAD_FAILED = "thread_failed"
    AWS_UNREACHABLE = "aws_unreachable"
    MESSAGE_REFUSED = "message_refused"
    JOB_RECEIVED = "job_received"
    JOB_STARTED = "job_started"
    JOB_GENERATED = "job_generated"
    JOB_SKIPPED = "job_skipped"
    # The ends of a job, or of an attempt at it: each carries all of `EndFields`.
    JOB_SUCCEEDED = "job_succeeded"
    JOB_FAILED = "job_failed"
    JOB_CANCELED = "job_canceled"
    JOB_HANDED_BACK = "job_handed_back"
    JOB_LOST = "job_lost"
    WEBHOOK_QUEUED = "webhook_queued"
    WEBHOOK_SENT = "webhook_sent"
    WEBHOOK_NOT_SENT = "webhook_not_sent"
    HEARTBEAT_MISSED = "heartbeat_missed"
    PIPELINE_FAILED = "pipeline_failed"
    BATCH_SPLIT = "batch_split"
    DEVICE_HUNG = "device_hung"
    DEVICE_LOST = "device_lost"
    STOP_REQUESTED = "stop_requested"
    SPOT_NOTICE = "spot_notice"
    TASK_PROTECTION = "task_protection"
    TASK_PROTECTION_FAILED = "task_protection_failed"


class JobFields(TypedDict, total=False):
    """Whose line it is."""

    # Of the request that made the job, or of the request at hand.
    correlation_id: str
    job_id: str
    # The name of a key, or "none" where no key is needed.
    caller: str


class EndFields(JobFields, total=False):
    """What an attempt at a job took, and what it cost."""

    # Workers that have taken the job up so far, this one included.
    attempts: int
    # cuda or cpu; where the worker runs: "g4dn.xlarge", "fargate", "local".
    device: str | None
    instance_type: str
    # Jobs that went onto the device together.
    batch_jobs: int
    # Seconds: accepted → taken up by this worker; taken up → end; on the device; storing its pictures; accepted → end.
    queue_wait_seconds: float
    run_seconds: float
    generate_seconds: float
    store_seconds: float
    total_seconds: float
    # Pictures that were made and stored.
    images: int
    # Width x height x steps x pictures, as they were asked for.
    pixel_steps: int
    # The job's share of the device's time in this attempt, and what those seconds cost.
    device_seconds: float
    cost_dollars: float | None


class ColdStartFields(TypedDict, total=False):
    """Seconds in each phase of a worker's start: until its first line, model on disk, plan, weights in memory, what
    compiling kept the start waiting for, and the first denoising step.
    """

    process_seconds: float
    fetch_seconds: float
    plan_seconds: float
    weights_seconds: float
    compile_seconds: float
    first_step_seconds: float


class Fields(EndFields, ColdStartFields, total=False):
    """Every field that a line may have, beside `COMMON_FIELD_NAMES`. A name is here or it can't be written."""

    # A request to the API.
    method: str
    # The path with its parameters in braces, or "none" for one that is not ours.
    route: str
    # The HTTP status.
    status: int
    duration_ms: float
    # Of it, how long the request waited for a job because its client asked for that.
    waited_ms: float
    cold_start: bool
    # Stable: of the problem that a request got, or of a job's error.
    error_code: str | None

    # A job.
    width: int
    height: int
    num_inference_steps: int
    num_images: int
    prompt: str | None
    negative_prompt: str | None
    # queued, running and so on, or "gone".
    job_status: str
    # Why it was handed back.
    reason: str
    # Of the announcement of its end.
    webhook_status: str

    # How many jobs: in hand, or put onto the queue again.
    jobs: int
    # The sweep: messages on the queue and in flight; age of the job that has waited longest; workers that are alive;
    # `queue_depth` where none is, else 0.
    queue_depth: int
    oldest_job_seconds: float
    live_workers: int
    backlog_without_worker: int

    # A worker, since its last sample. Alive is busy and idle; dollars an hour are of its share of the instance.
    worker_id: str
    state: str
    rung: str
    alive_seconds: float
    busy_seconds: float
    idle_seconds: float
    dollars_per_hour: float | None
    alive_dollars: float | None
    idle_dollars: float | None

    # A worker's start and end.
    model: str
    ready_seconds: float
    downloaded_bytes: int
    total_bytes: int
    latents: str
    exit_code: int

    # The device and its plan.
    device_name: str
    memory_bytes: int
    compute_capability: tuple[int, int] | None
    threads: int
    cpu_bf16_speedup: float
    rungs: tuple[str, ...]
    precision: str
    attention: str
    memory_format: str
    fuse_qkv: bool
    vae: str
    vae_slicing: bool
    vae_tiling: bool
    compile: str
    offload: str
    batch_pixels_max: int
    batch_images_max: int

    # Trouble with the device or its host.
    rung_before: str
    out_of_memory_count: int
    cause: str
    step_budget_seconds: float
    # EC2's own text about a spot host.
    notice: str
    # Whether ECS keeps from stopping the task.
    protected: bool


COMMON_FIELD_NAMES: Final = frozenset({"level", "service", "timestamp", "message", "event"})
# All that a query may name.
FIELD_NAMES: Final = frozenset(Fields.__annotations__) | COMMON_FIELD_NAMES


def make_logger(service: str) -> "Logger":
    """A logger whose lines go to standard output as JSON, with times in UTC."""
    # Here, because those who only read lines can do without it.
    from aws_lambda_powertools import Logger

    return Logger(service=service, utc=True, location=None, use_rfc3339=True)


def keep_fields(logger: "Logger", **fields: Unpack[Fields]) -> None:
    """Give all further lines these fields, unless a line says otherwise itself."""
    logger.append_keys(**fields)


def log_event(
    logger: "Logger",
    event: Event,
    message: str,
    *,
    warning: bool = False,
    metrics: dict[str, Any] | None = None,
    **fields: Unpack[Fields],
) -> None:
    """Write one line: `event` for programs, `message` for people. A field that is None is left out.

    `metrics` are those that CloudWatch is to take from this line, in its embedded format.
    """
    write = logger.warning if warning else logger.info
    write(message, extra={"event": str(event), **fields, **(metrics or {})})


def log_exception(logger: "Logger", event: Event, message: str, **fields: Unpack[Fields]) -> None:
    """Write one line about the exception that is being handled, with where it came from."""
    logger.exception(message, extra={"event": str(event), **fields})
