"""The sweep, a Lambda function on a schedule: puts jobs onto the queue that were accepted and are not on it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from jobs import logs
from jobs.intake import Intake
from jobs.job import Job, Status, timestamp
from jobs.logs import Event, log_event, make_logger
from jobs.queue import JobMessage, JobQueue, depth
from lambda_api import services

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# A request that is being served still writes for itself; it can't take longer than the function's time limit.
GRACE_SECONDS: Final = 30
# A lease that ran out so long ago may have lost its message too. It may also just wait for a worker: so a job gets one
# more message in this time, not one at each sweep.
SILENT_SECONDS: Final = 600

logger = make_logger(logs.SERVICE_SWEEP)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """What AWS Lambda calls."""
    settings = services.settings()
    intake = Intake(services.dynamodb(), settings.jobs_table)
    return {"queued_again": sweep(intake, services.sqs(), settings.gpu_queue_url)}


def sweep(intake: Intake, sqs: "SQSClient", queue_url: str) -> int:
    """Queue what is not queued; returns how many jobs that were. One message too many changes nothing."""
    before = timestamp(datetime.now(UTC) - timedelta(seconds=GRACE_SECONDS))
    lost = {job.job_id: job for job in intake.not_queued(created_before=before)}
    lost |= {job.job_id: job for job in intake.abandoned(silent_seconds=SILENT_SECONDS)}
    left = depth(sqs, queue_url)
    if not left.waiting and not left.in_flight:
        # An empty queue while jobs wait: their messages went to the dead letters, or grew too old.
        lost |= {job.job_id: job for job in intake.waiting(created_before=before)}
    queue = JobQueue(sqs, queue_url)
    for job in lost.values():
        _queue_again(intake, queue, job)
    log_event(logger, Event.SWEPT, f"Put {len(lost)} jobs onto the queue again", jobs=len(lost))
    return len(lost)


def _queue_again(intake: Intake, queue: JobQueue, job: Job) -> None:
    queue.send(JobMessage(job_id=job.job_id, correlation_id=job.correlation_id))
    if job.status is Status.RUNNING:
        intake.note_silence(job.job_id)
    else:
        intake.mark_queued(job.job_id)
    log_event(
        logger,
        Event.JOB_QUEUED_AGAIN,
        f"Queued a job that was accepted at {job.created_at}",
        warning=True,
        **{logs.JOB_ID: job.job_id, logs.CORRELATION_ID: job.correlation_id},
    )
