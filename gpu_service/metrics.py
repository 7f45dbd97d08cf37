"""Samples the GPU and the worker's counters into CloudWatch metrics, as lines that CloudWatch Logs takes them from."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final, Protocol

from aws_lambda_powertools import Logger

from gpu_service.gpu_reader import GpuReader, GpuReaderError
from gpu_service.status import WorkerStatus
from gpu_service.worker_sample import WorkerSample
from jobs.embedded import VALUES_MAX, embedded
from jobs.logs import SERVICE_WORKER, Event, log_event
from jobs.metrics import SAMPLE_SECONDS, Metric

CLOSE_SECONDS: Final = 2.0
_COUNTERS: Final = {
    "jobs_succeeded": Metric.JOBS_SUCCEEDED,
    "jobs_failed": Metric.JOBS_FAILED,
    "jobs_canceled": Metric.JOBS_CANCELED,
    "jobs_handed_back": Metric.JOBS_HANDED_BACK,
    "images": Metric.IMAGES,
    "batches": Metric.BATCHES,
    "queue_wait_seconds": Metric.QUEUE_WAIT_SECONDS,
    "generate_seconds": Metric.GENERATE_SECONDS,
    "store_seconds": Metric.STORE_SECONDS,
    "job_dollars": Metric.JOB_DOLLARS,
}


class Ladder(Protocol):
    """The engine: how often memory ran out."""

    out_of_memory_count: int


class MetricsSampler:
    """A thread that sends a sample every `SAMPLE_SECONDS`, the worker's own every minute, and last ones at the end."""

    def __init__(
        self,
        status: WorkerStatus,
        engine: Ladder,
        gpu: GpuReader | None,
        worker: WorkerSample,
        *,
        project: str,
        logger: Logger,
    ) -> None:
        self._status = status
        self._engine = engine
        self._gpu = gpu
        self._worker = worker
        self._project = project
        self._logger = logger
        self._sent: dict[Metric, float] = {}
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
            self._worker.send()

    def sample(self) -> None:
        """Send one sample: the GPU as it is, and what the counters gained since the last one."""
        sums = asdict(self._status.snapshot().counters)
        totals = {metric: sums[name] for name, metric in _COUNTERS.items()}
        totals[Metric.OUT_OF_MEMORY_RUNGS] = self._engine.out_of_memory_count
        self._send({**self._read_gpu(), **self._gains(totals)})
        # One value a job, for percentiles.
        while answered := self._status.take_answered(VALUES_MAX):
            self._send({Metric.TOTAL_SECONDS: answered})

    def _send(self, values: Mapping[Metric, float | Sequence[float]]) -> None:
        if values:
            print(json.dumps(embedded(SERVICE_WORKER, self._project, values)), flush=True)

    def _gains(self, totals: dict[Metric, float]) -> dict[Metric, float]:
        gains = {metric: total - self._sent.get(metric, 0) for metric, total in totals.items()}
        self._sent = totals
        return {metric: gained for metric, gained in gains.items() if gained}

    def _read_gpu(self) -> dict[Metric, float]:
        if self._gpu is None:
            return {}
        try:
            reading = self._gpu.read()
        except GpuReaderError as error:
            log_event(self._logger, Event.GPU_UNREADABLE, str(error), warning=True)
            self._gpu = None
            return {}
        values: dict[Metric, float] = {
            Metric.GPU_UTILIZATION: reading.utilization_percent,
            Metric.GPU_MEMORY_USED: reading.memory_used_bytes,
            Metric.GPU_MEMORY_UTILIZATION: round(100 * reading.memory_used_bytes / reading.memory_total_bytes, 1),
            Metric.GPU_TEMPERATURE: reading.temperature_celsius,
        }
        if reading.power_watts is not None:
            values[Metric.GPU_POWER] = reading.power_watts
        return values

    def _run(self) -> None:
        while not self._closed.wait(SAMPLE_SECONDS):
            self.sample()
            if self._worker.is_due:
                self._worker.send()
