"""The metrics' vocabulary: namespace, names, units, dimensions, for code that sends them and stacks that read them."""

from enum import StrEnum
from typing import Final

NAMESPACE: Final = "GameForge"
# Every metric has both dimensions. The services are those of `jobs.logs`.
PROJECT: Final = "project"
SERVICE: Final = "service"
SAMPLE_SECONDS: Final = 10


class Metric(StrEnum):
    """What is measured, and in which of CloudWatch's units. Sums of seconds divide by the count beside them."""

    unit: str

    def __new__(cls, name: str, unit: str) -> "Metric":
        """A name with its unit."""
        metric = str.__new__(cls, name)
        metric._value_ = name
        metric.unit = unit
        return metric

    # The worker, every `SAMPLE_SECONDS`.
    GPU_UTILIZATION = ("GpuUtilization", "Percent")
    GPU_MEMORY_USED = ("GpuMemoryUsed", "Bytes")
    GPU_MEMORY_UTILIZATION = ("GpuMemoryUtilization", "Percent")
    # Degrees Celsius, and watts.
    GPU_TEMPERATURE = ("GpuTemperature", "None")
    GPU_POWER = ("GpuPower", "None")
    JOBS_SUCCEEDED = ("JobsSucceeded", "Count")
    JOBS_FAILED = ("JobsFailed", "Count")
    JOBS_CANCELED = ("JobsCanceled", "Count")
    JOBS_HANDED_BACK = ("JobsHandedBack", "Count")
    IMAGES = ("Images", "Count")
    BATCHES = ("Batches", "Count")
    QUEUE_WAIT_SECONDS = ("QueueWaitSeconds", "Seconds")
    GENERATE_SECONDS = ("GenerateSeconds", "Seconds")
    STORE_SECONDS = ("StoreSeconds", "Seconds")
    OUT_OF_MEMORY_RUNGS = ("OutOfMemoryRungs", "Count")
    # Accepted → succeeded or failed, one value a job, for percentiles.
    TOTAL_SECONDS = ("TotalSeconds", "Seconds")
    # What the device's time for jobs cost, counted as their attempts end.
    JOB_DOLLARS = ("JobDollars", "None")
    # The worker, with its sample of every minute.
    BUSY_SECONDS = ("BusySeconds", "Seconds")
    IDLE_SECONDS = ("IdleSeconds", "Seconds")
    ALIVE_DOLLARS = ("AliveDollars", "None")
    IDLE_DOLLARS = ("IdleDollars", "None")
    # The API, with the line of each request, and of each accepted job.
    REQUESTS = ("Requests", "Count")
    CLIENT_ERRORS = ("ClientErrors", "Count")
    SERVER_ERRORS = ("ServerErrors", "Count")
    # Without the time that a request waited for a job because its client asked for that.
    LATENCY = ("Latency", "Milliseconds")
    JOBS_ACCEPTED = ("JobsAccepted", "Count")
    # The sweep, every minute.
    QUEUE_DEPTH = ("QueueDepth", "Count")
    OLDEST_JOB_SECONDS = ("OldestJobSeconds", "Seconds")
    LIVE_WORKERS = ("LiveWorkers", "Count")
    BACKLOG_WITHOUT_WORKER = ("BacklogWithoutWorker", "Count")
    JOBS_QUEUED_AGAIN = ("JobsQueuedAgain", "Count")
