"""The worker's own account: how long it was alive, how much of that it worked, and what both cost."""

import time
from collections.abc import Callable
from typing import Final, Protocol

from aws_lambda_powertools import Logger

from gpu_service.host import Host
from gpu_service.meter import DeviceMeter
from gpu_service.status import WorkerStatus
from jobs.embedded import embedded
from jobs.logs import SERVICE_WORKER, Event, log_event
from jobs.metrics import Metric
from jobs.prices import dollars

EVERY_SECONDS: Final = 60.0


class Engine(Protocol):
    """What the worker computes with."""

    @property
    def device(self) -> str:
        """`cuda` or `cpu`."""

    @property
    def rung(self) -> str:
        """The present step of the out-of-memory ladder."""


class WorkerSample:
    """Writes a line, with its metrics, about the time since the line before; the first one since the process began."""

    def __init__(
        self,
        *,
        status: WorkerStatus,
        engine: Engine,
        meter: DeviceMeter,
        host: Host,
        project: str,
        age_seconds: float,
        logger: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`age_seconds` is how long the process has existed: starting up is paid for as well."""
        self._status = status
        self._engine = engine
        self._meter = meter
        self._host = host
        self._project = project
        self._logger = logger
        self._clock = clock
        self._sent_at = clock() - age_seconds
        self._busy_seconds = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next one."""
        return self._clock() - self._sent_at >= EVERY_SECONDS

    def send(self) -> None:
        """Write the line."""
        now, busy_seconds = self._clock(), self._meter.busy_seconds
        alive, busy = now - self._sent_at, busy_seconds - self._busy_seconds
        self._sent_at, self._busy_seconds = now, busy_seconds
        idle = max(0.0, alive - busy)
        price = self._host.dollars_per_hour
        values = {Metric.BUSY_SECONDS: busy, Metric.IDLE_SECONDS: idle}
        if price is not None:
            values |= {Metric.ALIVE_DOLLARS: dollars(price, alive), Metric.IDLE_DOLLARS: dollars(price, idle)}
        state = self._status.snapshot().state
        log_event(
            self._logger,
            Event.WORKER_SAMPLE,
            f"{state}: worked {busy:.1f} of {alive:.1f} s",
            state=state,
            device=self._engine.device,
            instance_type=self._host.instance_type,
            rung=self._engine.rung,
            alive_seconds=round(alive, 3),
            busy_seconds=round(busy, 6),
            idle_seconds=round(idle, 3),
            dollars_per_hour=price,
            alive_dollars=values.get(Metric.ALIVE_DOLLARS),
            idle_dollars=values.get(Metric.IDLE_DOLLARS),
            metrics=embedded(SERVICE_WORKER, self._project, values),
        )
