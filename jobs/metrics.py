"""The metrics' vocabulary: namespace, names and units, for the worker that sends them and the stacks that read them."""

from enum import StrEnum
from typing import Final

NAMESPACE: Final = "GameForge"
# Every metric has both dimensions.
PROJECT: Final = "project"
SERVICE: Final = "service"
SAMPLE_SECONDS: Final = 10


class Metric(StrEnum):
    """What is measured. Sums of seconds divide by the count beside them."""

    GPU_UTILIZATION = "GpuUtilization"
    GPU_MEMORY_USED = "GpuMemoryUsed"
    GPU_MEMORY_UTILIZATION = "GpuMemoryUtilization"
    GPU_TEMPERATURE = "GpuTemperature"
    GPU_POWER = "GpuPower"
    JOBS_SUCCEEDED = "JobsSucceeded"
    JOBS_FAILED = "JobsFailed"
    JOBS_CANCELED = "JobsCanceled"
    JOBS_HANDED_BACK = "JobsHandedBack"
    IMAGES = "Images"
    BATCHES = "Batches"
    QUEUE_WAIT_SECONDS = "QueueWaitSeconds"
    GENERATE_SECONDS = "GenerateSeconds"
    STORE_SECONDS = "StoreSeconds"
    OUT_OF_MEMORY_RUNGS = "OutOfMemoryRungs"
