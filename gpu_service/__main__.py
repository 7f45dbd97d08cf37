"""The worker's entry point: `python -m gpu_service`. Runs until SIGTERM or SIGINT, and hands its job back then."""

import os
import signal
import sys
import time
from types import FrameType

# Before PyTorch starts its threads: busy-waiting ones slow each other down tenfold on a shared machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Hints that libraries print as they are imported: the worker's output is one JSON line an event.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from gpu_service.settings import SettingsError, WorkerSettings
from jobs.logs import SERVICE_WORKER, Event, log_event, make_logger


def main() -> int:
    """Load the model, then run jobs until told to stop. Returns the exit code."""
    logger = make_logger(SERVICE_WORKER)
    started = time.monotonic()
    try:
        settings = WorkerSettings.from_environment()
    except SettingsError as error:
        print(f"gpu_service: {error}", file=sys.stderr)
        return 2
    log_event(logger, Event.WORKER_STARTED, "Loading the model", model=settings.model)

    import boto3
    from botocore.config import Config

    from gpu_service.model_facts import ModelError
    from gpu_service.pipeline import Generator
    from gpu_service.plan_wishes import PlanError
    from gpu_service.starting import start_engine
    from gpu_service.worker import Worker
    from jobs.queue import JobQueue
    from jobs.store import JobStore

    try:
        engine = start_engine(settings.model, settings.cache_directory.expanduser(), os.environ, logger).engine
    except (ModelError, PlanError) as error:
        log_event(logger, Event.WORKER_STOPPED, f"Can't start: {error}", warning=True)
        return 2
    retries = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=30)
    worker = Worker(
        store=JobStore(boto3.client("dynamodb", config=retries), settings.jobs_table),
        queue=JobQueue(boto3.client("sqs", config=retries), settings.queue_url),
        s3=boto3.client("s3", config=retries),
        images_bucket=settings.images_bucket,
        generator=Generator(engine),
        lease_seconds=settings.lease_seconds,
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
    worker.run()
    log_event(logger, Event.WORKER_STOPPED, "Stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
