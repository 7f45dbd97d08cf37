"""The device loop: runs batches of the jobs in hand on the engine, and leaves what comes out to the finisher."""

import time
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger
from PIL import Image

from gpu_service.endings import Endings
from gpu_service.engine import Engine
from gpu_service.errors import DeviceLostError, GenerationError, Interrupted
from gpu_service.finisher import Finished, Finisher
from gpu_service.generation import Outcome, generate
from gpu_service.hands import Hands, Held, Phase
from gpu_service.heartbeat import TICK_SECONDS
from gpu_service.meter import DeviceMeter
from gpu_service.preview import as_text
from gpu_service.status import Run, WorkerStatus
from jobs.logs import Event, log_event, log_exception


class DeviceLoop:
    """Runs on a thread of its own, the only one that uses the engine."""

    def __init__(
        self,
        *,
        engine: Engine,
        hands: Hands,
        endings: Endings,
        finisher: Finisher,
        status: WorkerStatus,
        meter: DeviceMeter,
        is_stopping: Callable[[], bool],
        logger: Logger,
    ) -> None:
        self._engine = engine
        self._hands = hands
        self._endings = endings
        self._finisher = finisher
        self._status = status
        self._meter = meter
        self._is_stopping = is_stopping
        self._logger = logger

    def run(self) -> None:
        """Run batches until the worker is stopping. Raises `DeviceLostError`, with the jobs still in hand."""
        while batch := self._hands.next_batch(self._engine.batch_limit, self._is_stopping):
            if batch.in_the_way:
                reason = "a worker was lost with it, so it runs with nothing beside it"
                self._endings.hand_back(batch.in_the_way, reason)
            self._run_batch(batch.jobs)

    def _run_batch(self, jobs: list[Held]) -> None:
        for held in jobs:
            self._status.add(queue_wait_seconds=held.queue_wait_seconds)
            log_event(
                self._logger,
                Event.JOB_STARTED,
                f"Started attempt {held.job.attempts}",
                **held.log_fields,
                attempts=held.job.attempts,
                device=held.job.device,
                batch_jobs=len(jobs),
                queue_wait_seconds=round(held.queue_wait_seconds, 3),
            )
        started = time.monotonic()
        self._hands.put_on_device(jobs)
        try:
            outcomes = self._make(jobs)
        except Interrupted:
            return
        finally:
            self._meter.end()
            self._status.run_ended()
        self._status.add(batches=1, generate_seconds=time.monotonic() - started)
        if outcomes is None:
            # Whatever is wrong with one of them is not to be the others' end.
            for held in filter(self._hands.has, jobs):
                self._run_batch([held])
            return
        for held in filter(self._hands.has, jobs):
            log_event(
                self._logger,
                Event.JOB_GENERATED,
                f"Made in {held.generate_seconds:.3f} s",
                **held.log_fields,
                attempts=held.job.attempts,
                device=held.job.device,
                batch_jobs=len(jobs),
                queue_wait_seconds=round(held.queue_wait_seconds, 3),
                generate_seconds=round(held.generate_seconds, 3),
            )
        self._hands.advance(jobs, Phase.FINISHING)
        self._finisher.submit(Finished(jobs, outcomes))

    def _make(self, jobs: list[Held]) -> list[Outcome] | None:
        """What became of each job; None if they failed together and have to be tried one by one."""
        requests = [held.job.request for held in jobs]
        width, height = requests[0].width, requests[0].height

        def work(pipeline: Any) -> list[Outcome]:
            # Asked anew each time: after an out-of-memory error the engine calls again, with less room.
            limit = self._engine.batch_limit(width, height)
            images = sum(request.num_images for request in requests)
            observer = _Observer(jobs, self._hands, self._status, self._is_stopping)
            self._status.run_started(
                Run(
                    job_ids=tuple(held.job.job_id for held in jobs),
                    work=min(images, limit) * width * height,
                    rung=self._engine.rung,
                    steps_left=-(-images // limit) * requests[0].num_inference_steps,
                )
            )
            self._hands.wake()
            return generate(pipeline, requests, images_at_once=limit, observer=observer)

        try:
            return self._engine.run(work)
        except (Interrupted, DeviceLostError):
            raise
        except GenerationError as error:
            if len(jobs) == 1:
                return [error]
            cause: Exception = error
        except Exception as error:  # noqa: BLE001 - as the next line says
            # A model library may raise anything about a request it can't digest; that must not end the worker.
            if len(jobs) == 1:
                log_exception(self._logger, Event.PIPELINE_FAILED, "The pipeline failed", **jobs[0].log_fields)
                return [GenerationError(str(error) or type(error).__name__)]
            cause = error
        text = f"{len(jobs)} jobs failed together and are tried one by one: {cause}"
        log_event(self._logger, Event.BATCH_SPLIT, text, warning=True)
        return None


class _Observer:
    """Tells the pipeline whose pictures are still wanted, and the jobs how far they are."""

    def __init__(self, jobs: list[Held], hands: Hands, status: WorkerStatus, is_stopping: Callable[[], bool]) -> None:
        self._jobs = jobs
        self._hands = hands
        self._status = status
        self._is_stopping = is_stopping
        self._previewed_at = time.monotonic()
        self._previews_due: set[int] = set()

    def is_wanted(self, index: int) -> bool:
        return not self._is_stopping() and self._hands.has(self._jobs[index])

    def wants_preview(self, index: int) -> bool:
        now = time.monotonic()
        if now - self._previewed_at >= TICK_SECONDS:
            self._previewed_at = now
            self._previews_due = {i for i, held in enumerate(self._jobs) if held.job.request.preview}
        return index in self._previews_due

    def on_preview(self, index: int, picture: Image.Image) -> None:
        self._previews_due.discard(index)
        self._jobs[index].preview = as_text(picture)

    def on_step(self, step: int, total_steps: int) -> None:
        for held in self._jobs:
            held.step, held.total_steps = step, total_steps
        self._status.step_done(total_steps - step)
