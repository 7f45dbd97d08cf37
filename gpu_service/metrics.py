"""Samples the GPU and the worker's counters into CloudWatch metrics, as lines that CloudWatch Logs takes them from."""

import threading
from dataclasses import asdict
from typing import Final, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from gpu_service.gpu_reader import GpuReader, GpuReaderError
from gpu_service.status import WorkerStatus
from jobs.logs import SERVICE_WORKER, Event, log_event
from jobs.metrics import NAMESPACE, PROJECT, SAMPLE_SECONDS, Metric

CLOSE_SECONDS: Final = 2.0
_COUNTERS: Final = {
    "jobs_succeeded": (Metric.JOBS_SUCCEEDED, MetricUnit.Count),
    "jobs_failed": (Metric.JOBS_FAILED, MetricUnit.Count),
    "jobs_canceled": (Metric.JOBS_CANCELED, MetricUnit.Count),
    "jobs_handed_back": (Metric.JOBS_HANDED_BACK, MetricUnit.Count),
    "images": (Metric.IMAGES, MetricUnit.Count),
    "batches": (Metric.BATCHES, MetricUnit.Count),
    "queue_wait_seconds": (Metric.QUEUE_WAIT_SECONDS, MetricUnit.Seconds),
    "generate_seconds": (Metric.GENERATE_SECONDS, MetricUnit.Seconds),
    "store_seconds": (Metric.STORE_SECONDS, MetricUnit.Seconds),
}


class Ladder(Protocol):
    """The engine: how often memory ran out."""

    out_of_memory_count: int


class MetricsSampler:
    """A thread that sends a sample every `SAMPLE_SECONDS`, and a last one when it is closed."""

    def __init__(
        self, status: WorkerStatus, engine: Ladder, gpu: GpuReader | None, *, project: str, logger: Logger
    ) -> None:
        self._status = status
        self._engine = engine
        self._gpu = gpu
        self._project = project
        self._logger = logger
        self._sent: dict[str, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def close(self) -> None:
        """Send what has happened since the last sample, and stop."""
        self._closed.set()
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            # Not of the GPU: where the process ends because of it, asking it may take for ever.
            self._gpu = None
            self.sample()

    def sample(self) -> None:
        """Send one sample: the GPU as it is, and what the counters gained since the last one."""
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE_WORKER)
        metrics.add_dimension(PROJECT, self._project)
        self._add_gpu(metrics)
        sums = asdict(self._status.snapshot().counters)
        for name, (metric, unit) in _COUNTERS.items():
            self._add_gain(metrics, metric, unit, sums[name])
        self._add_gain(metrics, Metric.OUT_OF_MEMORY_RUNGS, MetricUnit.Count, self._engine.out_of_memory_count)
        if metrics.metric_set:
            metrics.flush_metrics()

    def _add_gain(self, metrics: EphemeralMetrics, metric: Metric, unit: MetricUnit, total: float) -> None:
        gained = total - self._sent.get(metric, 0)
        if gained:
            self._sent[metric] = total
            metrics.add_metric(name=metric, unit=unit, value=gained)

    def _add_gpu(self, metrics: EphemeralMetrics) -> None:
        if self._gpu is None:
            return
        try:
            reading = self._gpu.read()
        except GpuReaderError as error:
            log_event(self._logger, Event.GPU_UNREADABLE, str(error), warning=True)
            self._gpu = None
            return
        used = 100 * reading.memory_used_bytes / reading.memory_total_bytes
        metrics.add_metric(name=Metric.GPU_UTILIZATION, unit=MetricUnit.Percent, value=reading.utilization_percent)
        metrics.add_metric(name=Metric.GPU_MEMORY_USED, unit=MetricUnit.Bytes, value=reading.memory_used_bytes)
        metrics.add_metric(name=Metric.GPU_MEMORY_UTILIZATION, unit=MetricUnit.Percent, value=round(used, 1))
        metrics.add_metric(name=Metric.GPU_TEMPERATURE, unit=MetricUnit.NoUnit, value=reading.temperature_celsius)
        if reading.power_watts is not None:
            metrics.add_metric(name=Metric.GPU_POWER, unit=MetricUnit.NoUnit, value=reading.power_watts)

    def _run(self) -> None:
        while not self._closed.wait(SAMPLE_SECONDS):
            self.sample()
