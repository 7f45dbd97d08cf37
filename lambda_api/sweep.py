"""The sweep, a Lambda function on a schedule: queues what was accepted and is not queued, and tells how it stands."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from jobs.embedded import embedded
from jobs.intake import Intake
from jobs.job import Job, Status, seconds_between, timestamp
from jobs.listing import Listing
from jobs.logs import SERVICE_SWEEP, Event, log_event, make_logger
from jobs.metrics import Metric
from jobs.queue import JobMessage, JobQueue, depth
from jobs.workers import Workers
from lambda_api import services
from lambda_api.settings import project

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# A request that is being served still writes for itself; it can't take longer than the function's time limit.
GRACE_SECONDS: Final = 30
# A lease that ran out so long ago may have lost its message too. It may also just wait for a worker: so a job gets one
# more message in this time, not one at each sweep.
SILENT_SECONDS: Final = 600

logger = make_logger(SERVICE_SWEEP)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """What AWS Lambda calls."""
    settings = services.settings()
    table = settings.jobs_table
    intake = Intake(services.dynamodb(), table)
    queued_again = sweep(intake, services.sqs(), settings.gpu_queue_url)
    _tell(
        queued_again,
        queue_depth=depth(services.sqs(), settings.gpu_queue_url).total,
        oldest=Listing(services.dynamodb(), table).oldest(Status.QUEUED, limit=1),
        live_workers=len(Workers(services.dynamodb(), table).live()),
    )
    return {"queued_again": queued_again}


def sweep(intake: Intake, sqs: "SQSClient", queue_url: str) -> int:
    """Queue what is not queued; returns how many jobs that were. One message too many changes nothing."""
    before = timestamp(datetime.now(UTC) - timedelta(seconds=GRACE_SECONDS))
    lost = {job.job_id: job for job in intake.not_queued(created_before=before)}
    lost |= {job.job_id: job for job in intake.abandoned(silent_seconds=SILENT_SECONDS)}
    left = depth(sqs, queue_url)
    if not left.total:
        # An empty queue while jobs wait: their messages went to the dead letters, or grew too old.
        lost |= {job.job_id: job for job in intake.waiting(created_before=before)}
    queue = JobQueue(sqs, queue_url)
    for job in lost.values():
        _queue_again(intake, queue, job)
    return len(lost)


def _tell(queued_again: int, *, queue_depth: int, oldest: list[Job], live_workers: int) -> None:
    """How things stand, once a minute: what alarms and scaling look at."""
    oldest_seconds = seconds_between(oldest[0].created_at, timestamp()) if oldest else 0.0
    backlog_without_worker = 0 if live_workers else queue_depth
    values = {
        Metric.JOBS_QUEUED_AGAIN: queued_again,
        Metric.QUEUE_DEPTH: queue_depth,
        Metric.OLDEST_JOB_SECONDS: oldest_seconds,
        Metric.LIVE_WORKERS: live_workers,
        Metric.BACKLOG_WITHOUT_WORKER: backlog_without_worker,
    }
    log_event(
        logger,
        Event.SWEPT,
        f"{queue_depth} messages, {live_workers} workers; put {queued_again} jobs onto the queue again",
        jobs=queued_again,
        queue_depth=queue_depth,
        oldest_job_seconds=round(oldest_seconds, 3),
        live_workers=live_workers,
        backlog_without_worker=backlog_without_worker,
        metrics=embedded(SERVICE_SWEEP, project(), values),
    )


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
        job_id=job.job_id,
        correlation_id=job.correlation_id,
        caller=job.owner,
    )
