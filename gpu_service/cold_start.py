"""Says in one line what a cold start was made of, as soon as the first step of the first job is done."""

import os
import time
from pathlib import Path
from typing import Any

import torch
from aws_lambda_powertools import Logger

from jobs.logs import ColdStartFields, Event, log_event


def process_age_seconds() -> float:
    """Seconds since this process was started; 0 where the system does not tell."""
    try:
        # Field 22, counted behind the name, which may hold spaces: ticks from the system's start to the process's.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime_seconds = float(Path("/proc/uptime").read_text().split()[0])
        return uptime_seconds - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0


class ColdStart:
    """Waits for the first step on a pipeline, and goes away again."""

    def __init__(self, pipeline: Any, phases: ColdStartFields, *, device: str, logger: Logger) -> None:
        """`phases` are those before the first job."""
        self._phases = phases
        self._device = device
        self._logger = logger
        self._step_began = 0.0
        self._hooks = [
            pipeline.unet.register_forward_pre_hook(self._before),
            pipeline.unet.register_forward_hook(self._after),
        ]

    def _before(self, *_: Any) -> None:
        self._step_began = time.monotonic()

    def _after(self, *_: Any) -> None:
        if torch.cuda.is_available():
            # The call has only queued its kernels.
            torch.cuda.synchronize()
        first_step_seconds = round(time.monotonic() - self._step_began, 3)
        seconds = ColdStartFields(**self._phases, first_step_seconds=first_step_seconds)
        for hook in self._hooks:
            hook.remove()
        text = ", ".join(f"{phase.removesuffix('_seconds')} {spent:.2f} s" for phase, spent in seconds.items())
        log_event(self._logger, Event.COLD_START, f"Cold start: {text}", **seconds, device=self._device)
