"""The worker's entry point: `python -m gpu_service`. Runs until SIGTERM or SIGINT, and hands its jobs back then."""

import gc
import os
import signal
import sys
import time
from types import FrameType
from typing import Final
from uuid import uuid4

# Before PyTorch starts its threads: busy-waiting ones slow each other down tenfold on a shared machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Hints that libraries print as they are imported: the worker's output is one JSON line an event.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from gpu_service.host import read_host
from gpu_service.settings import SettingsError, WorkerSettings
from gpu_service.status import WorkerStatus
from jobs.logs import SERVICE_WORKER, Event, keep_fields, log_event, make_logger

# New objects that make the garbage collector look. PyTorch and diffusers make hundreds of thousands that stay; with
# Python's own 700, looking at them over and over takes a fifth of the start.
NEW_OBJECTS_MAX: Final = 20_000


def main() -> int:
    """Load the model, then run jobs until told to stop. Returns the exit code."""
    gc.set_threshold(NEW_OBJECTS_MAX)
    logger = make_logger(SERVICE_WORKER)
    started = time.monotonic()
    try:
        settings = WorkerSettings.from_environment()
    except SettingsError as error:
        print(f"gpu_service: {error}", file=sys.stderr)
        return 2
    worker_id = uuid4().hex[:12]
    host = read_host(settings, os.environ)
    keep_fields(logger, worker_id=worker_id, instance_type=host.instance_type)
    log_event(
        logger,
        Event.WORKER_STARTED,
        "Loading the model",
        model=settings.model,
        dollars_per_hour=host.dollars_per_hour,
    )

    from gpu_service.aws_process import start_aws_process

    # First of all: it forks, and PyTorch has no part in it.
    aws = start_aws_process(settings)

    from gpu_service.meter import DeviceMeter
    from gpu_service.model_facts import ModelError
    from gpu_service.plan_wishes import PlanError
    from gpu_service.presence import Presence
    from gpu_service.starting import start_engine
    from gpu_service.watching import Watching
    from gpu_service.worker import Worker, leave

    status = WorkerStatus(step_budget_seconds=settings.step_budget_seconds)
    meter = DeviceMeter()
    watching = Watching(status, meter, settings, logger)
    try:
        begun = start_engine(settings.model, settings.cache_directory.expanduser(), os.environ, logger)
    except (ModelError, PlanError) as error:
        log_event(logger, Event.WORKER_STOPPED, f"Can't start: {error}", warning=True)
        return 2
    engine = begun.engine
    watching.loaded(begun, host)
    worker = Worker(
        settings=settings,
        aws=aws,
        engine=engine,
        status=status,
        meter=meter,
        host=host,
        logger=logger,
    )

    def stop(signal_number: int, frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log_event(
        logger,
        Event.WORKER_READY,
        f"Ready on {engine.device}",
        device=engine.device,
        ready_seconds=round(time.monotonic() - started, 2),
    )
    with Presence(aws.workers, worker_id, device=engine.device, logger=logger):
        code = worker.run()
    watching.close()
    log_event(logger, Event.WORKER_STOPPED, f"Stopped with exit code {code}", exit_code=int(code))
    leave(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
