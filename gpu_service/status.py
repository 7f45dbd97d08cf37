"""What the worker is doing, for whoever asks: the health check, the metrics, the watchdog, and the prefetch."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

STEP_BUDGET_SECONDS_DEFAULT: Final = 120.0
# A step may take this many times what the pace so far predicts. Attention grows with the square of the pixels and the
# pace is linear in them, so this has to be generous.
PACE_MARGIN: Final = 10.0
# While there is no pace to go by: a first step may have to move weights and choose its kernels.
UNKNOWN_PACE_MARGIN: Final = 5.0
# How much the newest step says about the pace.
NEWEST_WEIGHT: Final = 0.3


class State(StrEnum):
    """What the worker as a whole is doing."""

    STARTING = "starting"
    IDLE = "idle"
    WORKING = "working"
    STOPPING = "stopping"


@dataclass(frozen=True)
class Counters:
    """Sums since the process started."""

    jobs_succeeded: int = 0
    jobs_failed: int = 0
    jobs_canceled: int = 0
    jobs_handed_back: int = 0
    images: int = 0
    batches: int = 0
    queue_wait_seconds: float = 0.0
    generate_seconds: float = 0.0
    store_seconds: float = 0.0
    job_dollars: float = 0.0


@dataclass(frozen=True)
class Run:
    """The batch on the device. `work` is images times pixels, which is what a step's duration grows with."""

    job_ids: tuple[str, ...]
    work: int
    rung: str
    steps_left: int


@dataclass(frozen=True)
class StatusSnapshot:
    """The status at one moment. Times are of `time.monotonic`."""

    state: State
    taken_at: float
    # Every job that this worker holds a lease on; the ones on the device are `run.job_ids`.
    job_ids: tuple[str, ...]
    run: Run | None
    last_step_at: float
    # Of the batch on the device, or of the last one; None until a second step has been measured on this rung.
    seconds_per_step: float | None
    step_budget_seconds: float
    counters: Counters

    @property
    def silent_seconds(self) -> float:
        """How long the device has given no sign while it had work; 0 without work."""
        return self.taken_at - self.last_step_at if self.run else 0.0

    @property
    def is_stuck(self) -> bool:
        """Whether the device has been silent for longer than any step takes."""
        return self.silent_seconds > self.step_budget_seconds

    @property
    def remaining_seconds(self) -> float | None:
        """What the batch on the device still takes, at the present pace; 0 without one, None while that is unknown."""
        if self.run is None:
            return 0.0
        if self.seconds_per_step is None:
            return None
        return max(0.0, self.run.steps_left * self.seconds_per_step - self.silent_seconds)


class WorkerStatus:
    """Written by the worker's threads, read by anybody; every method is thread-safe."""

    def __init__(
        self, *, step_budget_seconds: float = STEP_BUDGET_SECONDS_DEFAULT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`step_budget_seconds` is the least silence that may count as a hung device."""
        self._lock = threading.Lock()
        self._clock = clock
        self._floor_seconds = step_budget_seconds
        self._state = State.STARTING
        self._job_ids: tuple[str, ...] = ()
        self._run: Run | None = None
        self._last_step_at = clock()
        self._first_step_pending = True
        # Seconds a step takes for each unit of work, on `_pace_rung`.
        self._pace: float | None = None
        self._pace_rung = ""
        self._last_work = 0
        self._counters = Counters()
        self._answered: list[float] = []

    def snapshot(self) -> StatusSnapshot:
        """The status now."""
        with self._lock:
            expected = self._pace * self._last_work if self._pace is not None else None
            budget = (
                self._floor_seconds * UNKNOWN_PACE_MARGIN
                if expected is None
                else max(self._floor_seconds, expected * PACE_MARGIN)
            )
            return StatusSnapshot(
                state=self._state,
                taken_at=self._clock(),
                job_ids=self._job_ids,
                run=self._run,
                last_step_at=self._last_step_at,
                seconds_per_step=expected,
                step_budget_seconds=budget,
                counters=self._counters,
            )

    def ready(self) -> None:
        """The model is loaded and jobs may come."""
        with self._lock:
            if self._state is State.STARTING:
                self._state = State.IDLE

    def stopping(self) -> None:
        """No more jobs are taken; nothing leads back from here."""
        with self._lock:
            self._state = State.STOPPING

    def holding(self, job_ids: tuple[str, ...]) -> None:
        """The jobs that this worker has now."""
        with self._lock:
            self._job_ids = job_ids
            if self._state in (State.IDLE, State.WORKING):
                self._state = State.WORKING if job_ids else State.IDLE

    def run_started(self, run: Run) -> None:
        """A batch goes onto the device; also said again when it is tried anew on another rung."""
        with self._lock:
            self._run = run
            self._last_work = run.work
            self._last_step_at = self._clock()
            self._first_step_pending = True
            if run.rung != self._pace_rung:
                self._pace, self._pace_rung = None, run.rung

    def step_done(self, steps_left: int) -> None:
        """The device has finished a step of the batch, with `steps_left` to go."""
        with self._lock:
            if self._run is None:
                return
            now = self._clock()
            # A batch's first step comes after its prompts were encoded, so it says nothing about the pace.
            if not self._first_step_pending:
                newest = (now - self._last_step_at) / self._run.work
                self._pace = newest if self._pace is None else self._pace + NEWEST_WEIGHT * (newest - self._pace)
            self._first_step_pending = False
            self._last_step_at = now
            self._run = replace(self._run, steps_left=steps_left)

    def run_ended(self) -> None:
        """The batch is off the device."""
        with self._lock:
            self._run = None

    def add(self, **amounts: float) -> None:
        """Add to the counters, by their names."""
        with self._lock:
            sums = {name: getattr(self._counters, name) + amount for name, amount in amounts.items()}
            self._counters = replace(self._counters, **sums)

    def answered(self, total_seconds: float) -> None:
        """A job got its pictures, or failed, so long after it was accepted."""
        with self._lock:
            self._answered.append(total_seconds)

    def take_answered(self, at_most: int) -> list[float]:
        """The times that jobs took since they were last asked for."""
        with self._lock:
            taken, self._answered = self._answered[:at_most], self._answered[at_most:]
            return taken
