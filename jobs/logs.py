"""The log vocabulary: one JSON line an event, the same field names in the API and the worker."""

from enum import StrEnum
from typing import Any, Final

from aws_lambda_powertools import Logger

CORRELATION_ID: Final = "correlation_id"
JOB_ID: Final = "job_id"
CALLER: Final = "caller"
ROUTE: Final = "route"
METHOD: Final = "method"
STATUS: Final = "status"
DURATION_MILLISECONDS: Final = "duration_ms"
COLD_START: Final = "cold_start"
PROMPT: Final = "prompt"
NEGATIVE_PROMPT: Final = "negative_prompt"
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
    WORKER_STOPPED = "worker_stopped"
    AWS_UNREACHABLE = "aws_unreachable"
    MESSAGE_REFUSED = "message_refused"
    JOB_RECEIVED = "job_received"
    JOB_STARTED = "job_started"
    JOB_GENERATED = "job_generated"
    JOB_SKIPPED = "job_skipped"
    JOB_SUCCEEDED = "job_succeeded"
    JOB_FAILED = "job_failed"
    JOB_CANCELED = "job_canceled"
    JOB_HANDED_BACK = "job_handed_back"
    JOB_LOST = "job_lost"
    WEBHOOK_QUEUED = "webhook_queued"
    WEBHOOK_SENT = "webhook_sent"
    WEBHOOK_NOT_SENT = "webhook_not_sent"
    HEARTBEAT_MISSED = "heartbeat_missed"
    BATCH_SPLIT = "batch_split"
    DEVICE_HUNG = "device_hung"
    DEVICE_LOST = "device_lost"
    STOP_REQUESTED = "stop_requested"
    SPOT_NOTICE = "spot_notice"
    TASK_PROTECTION = "task_protection"
    TASK_PROTECTION_FAILED = "task_protection_failed"


def make_logger(service: str) -> Logger:
    """A logger whose lines go to standard output as JSON, with times in UTC."""
    return Logger(service=service, utc=True, location=None, use_rfc3339=True)


def log_event(logger: Logger, event: Event, message: str, *, warning: bool = False, **fields: Any) -> None:
    """Write one line: `event` for programs, `message` for people, `fields` by the names of this module."""
    write = logger.warning if warning else logger.info
    write(message, extra={"event": str(event), **fields})
