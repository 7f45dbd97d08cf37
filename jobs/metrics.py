"""The metrics' vocabulary: namespace, names, units, dimensions, for code that sends them and stacks that read them."""

from enum import StrEnum
from typing import Final

from jobs.logs import SERVICE_API, SERVICE_SWEEP, SERVICE_WORKER

NAMESPACE: Final = "GameForge"
# Every metric has both dimensions.
PROJECT: Final = "project"
SERVICE: Final = "service"
SAMPLE_SECONDS: Final = 10


class Metric(StrEnum):
    """What is measured, and in which of CloudWatch's units. Sums of seconds divide by the count beside them."""

    unit: str
    # Who sends it: the value of its dimension `SERVICE`.
    service: str

    def __new__(cls, name: str, unit: str, service: str) -> "Metric":
        """A name with its unit, and who sends it."""
        metric = str.__new__(cls, name)
        metric._value_ = name
        metric.unit, metric.service = unit, service
        return metric

    # The worker, every `SAMPLE_SECONDS`.
    GPU_UTILIZATION = ("GpuUtilization", "Percent", SERVICE_WORKER)
    GPU_MEMORY_USED = ("GpuMemoryUsed", "Bytes", SERVICE_WORKER)
    GPU_MEMORY_UTILIZATION = ("GpuMemoryUtilization", "Percent", SERVICE_WORKER)
    # Degrees Celsius, and watts.
    GPU_TEMPERATURE = ("GpuTemperature", "None", SERVICE_WORKER)
    GPU_POWER = ("GpuPower", "None", SERVICE_WORKER)
    JOBS_SUCCEEDED = ("JobsSucceeded", "Count", SERVICE_WORKER)
    JOBS_FAILED = ("JobsFailed", "Count", SERVICE_WORKER)
    JOBS_CANCELED = ("JobsCanceled", "Count", SERVICE_WORKER)
    JOBS_HANDED_BACK = ("JobsHandedBack", "Count", SERVICE_WORKER)
    IMAGES = ("Images", "Count", SERVICE_WORKER)
    BATCHES = ("Batches", "Count", SERVICE_WORKER)
    QUEUE_WAIT_SECONDS = ("QueueWaitSeconds", "Seconds", SERVICE_WORKER)
    GENERATE_SECONDS = ("GenerateSeconds", "Seconds", SERVICE_WORKER)
    STORE_SECONDS = ("StoreSeconds", "Seconds", SERVICE_WORKER)
    OUT_OF_MEMORY_RUNGS = ("OutOfMemoryRungs", "Count", SERVICE_WORKER)
    # Accepted → succeeded or failed, one value a job, for percentiles.
    TOTAL_SECONDS = ("TotalSeconds", "Seconds", SERVICE_WORKER)
    # What the device's time for jobs cost, counted as their attempts end.
    JOB_DOLLARS = ("JobDollars", "None", SERVICE_WORKER)
    # The worker, with its sample of every minute.
    BUSY_SECONDS = ("BusySeconds", "Seconds", SERVICE_WORKER)
    IDLE_SECONDS = ("IdleSeconds", "Seconds", SERVICE_WORKER)
    ALIVE_DOLLARS = ("AliveDollars", "None", SERVICE_WORKER)
    IDLE_DOLLARS = ("IdleDollars", "None", SERVICE_WORKER)
    # The API, with the line of each request, and of each accepted job.
    REQUESTS = ("Requests", "Count", SERVICE_API)
    CLIENT_ERRORS = ("ClientErrors", "Count", SERVICE_API)
    SERVER_ERRORS = ("ServerErrors", "Count", SERVICE_API)
    # Without the time that a request waited for a job because its client asked for that.
    LATENCY = ("Latency", "Milliseconds", SERVICE_API)
    JOBS_ACCEPTED = ("JobsAccepted", "Count", SERVICE_API)
    # The sweep, every minute.
    QUEUE_DEPTH = ("QueueDepth", "Count", SERVICE_SWEEP)
    OLDEST_JOB_SECONDS = ("OldestJobSeconds", "Seconds", SERVICE_SWEEP)
    LIVE_WORKERS = ("LiveWorkers", "Count", SERVICE_SWEEP)
    BACKLOG_WITHOUT_WORKER = ("BacklogWithoutWorker", "Count", SERVICE_SWEEP)
    JOBS_QUEUED_AGAIN = ("JobsQueuedAgain", "Count", SERVICE_SWEEP)
