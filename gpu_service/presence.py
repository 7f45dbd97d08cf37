"""Presence: while it works, a worker says now and then that it is alive, and on which device."""

import threading
from collections.abc import Callable
from typing import Final

from aws_lambda_powertools import Logger

from gpu_service.aws_process import PROCESS_GONE
from gpu_service.endings import AWS_ERRORS
from jobs.logs import Event, log_event
from jobs.workers import ANNOUNCE_SECONDS, Workers

# A worker has to end in time even if AWS does not answer; it counts as gone a minute later all the same.
WITHDRAW_SECONDS: Final = 5.0


class Presence:
    """A thread that announces the worker from `__enter__` to `__exit__`. What fails to be written is written later."""

    def __init__(self, workers: Workers, worker_id: str, *, device: str, logger: Logger) -> None:
        self._workers = workers
        self._device = device
        self._logger = logger
        self._worker_id = worker_id
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> "Presence":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finished.set()
        self._thread.join(timeout=WITHDRAW_SECONDS)

    def _run(self) -> None:
        while not self._finished.is_set():
            self._try(lambda: self._workers.announce(self._worker_id, device=self._device))
            self._finished.wait(ANNOUNCE_SECONDS)
        self._try(lambda: self._workers.withdraw(self._worker_id))

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except (*AWS_ERRORS, *PROCESS_GONE) as error:
            log_event(self._logger, Event.AWS_UNREACHABLE, f"Could not announce the worker: {error}", warning=True)
