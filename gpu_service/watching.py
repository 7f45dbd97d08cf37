"""What watches the worker from outside its loop: the health server and the metrics."""

from typing import Any

from aws_lambda_powertools import Logger

from gpu_service.cold_start import process_age_seconds
from gpu_service.device import canary
from gpu_service.gpu_reader import GpuReader, GpuReaderError, NvmlReader
from gpu_service.health import Canary, HealthServer
from gpu_service.host import Host
from gpu_service.meter import DeviceMeter
from gpu_service.metrics import MetricsSampler
from gpu_service.plan import Device
from gpu_service.settings import WorkerSettings
from gpu_service.starting import Started
from gpu_service.status import WorkerStatus
from gpu_service.worker_sample import WorkerSample
from jobs.logs import Event, log_event


class Watching:
    """Answers health checks from the start on; from `loaded` on also about the device, and sends metrics."""

    def __init__(self, status: WorkerStatus, meter: DeviceMeter, settings: WorkerSettings, logger: Logger) -> None:
        self._status = status
        self._meter = meter
        self._project = settings.project
        self._logger = logger
        self._health: HealthServer | None = None
        if settings.health_port is not None:
            self._health = HealthServer(status, port=settings.health_port, host=settings.health_host)
        self._metrics: MetricsSampler | None = None

    def loaded(self, started: Started, host: Host) -> None:
        """The engine is there."""
        engine, facts = started.engine, started.facts
        gpu = self._reader() if facts.kind is Device.CUDA else None

        def device() -> dict[str, Any]:
            return {
                "device": engine.device,
                "device_name": facts.name,
                "gpu_problem": facts.gpu_problem,
                "rung": engine.rung,
                "out_of_memory_count": engine.out_of_memory_count,
                "plan": engine.plan.fields(),
            }

        if self._health is not None:
            self._health.loaded(canary=Canary(lambda: canary(engine.device)), device=device, gpu=gpu)
        worker = WorkerSample(
            status=self._status,
            engine=engine,
            meter=self._meter,
            host=host,
            project=self._project,
            age_seconds=process_age_seconds(),
            logger=self._logger,
        )
        self._metrics = MetricsSampler(self._status, engine, gpu, worker, project=self._project, logger=self._logger)
        self._metrics.start()

    def close(self) -> None:
        """Send the last metrics; answer no more."""
        if self._metrics is not None:
            self._metrics.close()
        if self._health is not None:
            self._health.close()

    def _reader(self) -> GpuReader | None:
        try:
            return NvmlReader()
        except GpuReaderError as error:
            log_event(self._logger, Event.GPU_UNREADABLE, str(error), warning=True)
            return None
