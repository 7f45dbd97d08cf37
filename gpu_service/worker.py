"""The worker: its threads, and how it ends. Whatever goes wrong, a job stays queued until it has ended."""

import os
import sys
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from aws_lambda_powertools import Logger

from gpu_service.aws_process import Aws
from gpu_service.device_loop import DeviceLoop
from gpu_service.endings import Endings
from gpu_service.engine import Engine
from gpu_service.errors import DeviceLostError
from gpu_service.finisher import Finisher
from gpu_service.hands import Hands, Phase
from gpu_service.heartbeat import Heartbeat
from gpu_service.host import Host
from gpu_service.intake import Intake
from gpu_service.meter import DeviceMeter
from gpu_service.protection import ENV_AGENT_URI, TaskProtection
from gpu_service.settings import WorkerSettings
from gpu_service.spot import ENV_METADATA_ENDPOINT, METADATA_ENDPOINT_DEFAULT, SpotNotices
from gpu_service.status import WorkerStatus
from jobs import names
from jobs.logs import Event, log_event, log_exception

# As many jobs of a batch are stored at a time: the last ones would wait for the first ones' round trips.
FINISHERS: Final = 4
LOOK_SECONDS: Final = 1.0
# What is being stored when the worker is told to stop gets this long; the rest of the stop timeout is for handing back.
STOP_GRACE_SECONDS: Final = names.STOP_TIMEOUT_SECONDS - 30
HAND_BACK_SECONDS: Final = 15.0


class ExitCode(IntEnum):
    """How the process ends; anything but 0 asks for a restart."""

    STOPPED = 0
    CRASHED = 1
    DEVICE_HUNG = 3
    DEVICE_LOST = 4


class Worker:
    """Runs jobs until told to stop, on threads for intake, device, heartbeat and storing. The caller's watches."""

    def __init__(
        self,
        *,
        settings: WorkerSettings,
        aws: Aws,
        engine: Engine,
        status: WorkerStatus,
        meter: DeviceMeter,
        host: Host,
        logger: Logger,
    ) -> None:
        self._status = status
        self._logger = logger
        self._stopping = threading.Event()
        self._finished = threading.Event()
        self._reason = "told to stop"
        self._exit_code = ExitCode.STOPPED
        self._hands = hands = Hands(status, meter)
        self._endings = endings = Endings(
            store=aws.store,
            queue=aws.queue,
            dead_letters=aws.dead_letters,
            hands=hands,
            status=status,
            host=host,
            logger=logger,
        )
        self._intake = Intake(
            store=aws.store,
            queue=aws.queue,
            hands=hands,
            endings=endings,
            engine=engine,
            status=status,
            lease_seconds=settings.lease_seconds,
            stopping=self._stopping,
            logger=logger,
        )
        self._finisher = Finisher(
            store=aws.store,
            pictures=aws.pictures,
            hands=hands,
            endings=endings,
            status=status,
            lease_seconds=settings.lease_seconds,
            model_name=settings.model_name,
            stopping=self._stopping,
        )
        self._device = DeviceLoop(
            engine=engine,
            hands=hands,
            endings=endings,
            finisher=self._finisher,
            status=status,
            meter=meter,
            is_stopping=self._stopping.is_set,
            logger=logger,
        )
        self._heartbeat = Heartbeat(
            store=aws.store,
            queue=aws.queue,
            hands=hands,
            endings=endings,
            lease_seconds=settings.lease_seconds,
            finished=self._finished,
            logger=logger,
        )
        self._helpers: list[tuple[str, Callable[[], None]]] = []
        if agent_uri := os.environ.get(ENV_AGENT_URI):
            protection = TaskProtection(agent_uri, lambda: bool(hands.all()), self._finished, logger)
            self._helpers.append(("protection", protection.run))
        if settings.watch_spot_notices:
            endpoint = os.environ.get(ENV_METADATA_ENDPOINT, METADATA_ENDPOINT_DEFAULT)
            notices = SpotNotices(endpoint, lambda: self.stop("spot notice"), self._finished, logger)
            self._helpers.append(("spot", notices.run))

    def stop(self, reason: str = "told to stop") -> None:
        """Take no more jobs, and hand back the unfinished ones. Safe in a signal handler."""
        if not self._stopping.is_set():
            self._reason = reason
            self._stopping.set()

    def run(self) -> ExitCode:
        """Run jobs until `stop`, or until the device fails. By then every job has ended or been handed back."""
        device = self._start("device", self._run_device)
        intake = self._start("intake", self._intake.run)
        self._start("heartbeat", self._heartbeat.run)
        for number in range(FINISHERS):
            self._start(f"finisher-{number}", self._finisher.run)
        for name, target in self._helpers:
            self._start(name, target)
        self._status.ready()
        self._watch()
        self._status.stopping()
        log_event(self._logger, Event.STOP_REQUESTED, f"Stopping: {self._reason}", jobs=len(self._hands.all()))
        self._end(device, intake)
        return self._exit_code

    def _start(self, name: str, target: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                target()
            except BaseException:  # noqa: BLE001 - logged, and the worker ends
                # A worker that has lost one of its threads only looks alive: end it, so that it is started again.
                log_exception(self._logger, Event.THREAD_FAILED, f"The {name} thread failed")
                self._fail(ExitCode.CRASHED, f"its {name} thread failed")

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _run_device(self) -> None:
        try:
            self._device.run()
        except DeviceLostError as error:
            log_event(self._logger, Event.DEVICE_LOST, f"The device is lost: {error}", warning=True)
            self._fail(ExitCode.DEVICE_LOST, "its worker lost the device")

    def _fail(self, code: ExitCode, reason: str) -> None:
        self._exit_code = code
        self.stop(reason)

    def _watch(self) -> None:
        """Until the worker has to stop; a device that hangs is a reason."""
        while not self._stopping.wait(LOOK_SECONDS):
            now = self._status.snapshot()
            if now.is_stuck:
                log_event(
                    self._logger,
                    Event.DEVICE_HUNG,
                    f"No step for {now.silent_seconds:.0f} s: the device hangs",
                    warning=True,
                    step_budget_seconds=round(now.step_budget_seconds, 1),
                )
                self._fail(ExitCode.DEVICE_HUNG, "its worker's device hung")

    def _end(self, device: threading.Thread, intake: threading.Thread) -> None:
        """Hand back what is not made yet, at once; let what is made be stored; leave nothing behind."""
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        self._hands.wake()
        # What is worked on when the worker fails may be why it failed. What only waits is innocent.
        counts_as_attempt = self._exit_code is not ExitCode.STOPPED
        self._hand_back(Phase.RUNNING, counts_as_attempt=counts_as_attempt)
        # It may be in the middle of receiving.
        intake.join(timeout=HAND_BACK_SECONDS)
        self._hand_back(Phase.WAITING)
        if self._exit_code is ExitCode.STOPPED:
            device.join(timeout=HAND_BACK_SECONDS)
        self._hands.wait_for(
            lambda: not self._hands.all() and self._finisher.is_idle, max(0.0, deadline - time.monotonic())
        )
        self._hand_back(*Phase, counts_as_attempt=counts_as_attempt)
        self._finished.set()

    def _hand_back(self, *phases: Phase, counts_as_attempt: bool = False) -> None:
        """On a thread, because the process has to end in time even if AWS does not answer: leases end by themselves."""
        jobs = self._hands.all(*phases)
        if jobs:
            thread = threading.Thread(
                target=self._endings.hand_back,
                args=(jobs, self._reason),
                kwargs={"counts_as_attempt": counts_as_attempt},
                name="hand-back",
                daemon=True,
            )
            thread.start()
            thread.join(timeout=HAND_BACK_SECONDS)


def leave(code: int) -> None:
    """End the process, whatever its threads are doing: one may hang in the device's driver for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
