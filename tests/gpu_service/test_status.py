"""The status: how fast the device goes, when it counts as hung, and when the next jobs are to be fetched."""

import pytest

from gpu_service.status import Run, State, WorkerStatus


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status(clock: Clock) -> WorkerStatus:
    return WorkerStatus(step_budget_seconds=10, clock=clock)


def run(work: int = 100, *, rung: str = "resident", steps: int = 10) -> Run:
    return Run(job_ids=("a",), work=work, rung=rung, steps_left=steps)


def steps(status: WorkerStatus, clock: Clock, *, seconds: float, left: range) -> None:
    for steps_left in left:
        clock.now += seconds
        status.step_done(steps_left)


def test_an_idle_device_is_never_stuck(status: WorkerStatus, clock: Clock) -> None:
    clock.now += 10_000
    assert not status.snapshot().is_stuck
    status.run_started(run())
    status.run_ended()
    clock.now += 10_000
    assert not status.snapshot().is_stuck


def test_a_first_step_may_take_long_but_not_for_ever(status: WorkerStatus, clock: Clock) -> None:
    status.run_started(run())
    clock.now += 49
    assert not status.snapshot().is_stuck
    clock.now += 2
    assert status.snapshot().is_stuck


def test_a_step_that_outlasts_the_pace_is_a_hung_device(status: WorkerStatus, clock: Clock) -> None:
    status.run_started(run())
    steps(status, clock, seconds=3, left=range(9, 4, -1))
    clock.now += 29
    assert not status.snapshot().is_stuck
    clock.now += 2
    assert status.snapshot().is_stuck


def test_the_budget_grows_with_the_work_and_never_falls_below_its_floor(status: WorkerStatus, clock: Clock) -> None:
    status.run_started(run(work=100))
    steps(status, clock, seconds=0.5, left=range(9, 0, -1))
    assert status.snapshot().step_budget_seconds == 10
    status.run_started(run(work=1000))
    assert status.snapshot().step_budget_seconds == pytest.approx(50)


def test_another_rung_has_another_pace(status: WorkerStatus, clock: Clock) -> None:
    status.run_started(run())
    steps(status, clock, seconds=0.1, left=range(9, 0, -1))
    status.run_started(run(rung="sequential offload"))
    assert (status.snapshot().seconds_per_step, status.snapshot().step_budget_seconds) == (None, 50)


def test_what_a_batch_still_takes_follows_from_its_pace(status: WorkerStatus, clock: Clock) -> None:
    assert status.snapshot().remaining_seconds == 0
    status.run_started(run())
    assert status.snapshot().remaining_seconds is None
    steps(status, clock, seconds=2, left=range(9, 4, -1))
    assert status.snapshot().remaining_seconds == pytest.approx(10)
    clock.now += 1.5
    assert status.snapshot().remaining_seconds == pytest.approx(8.5)


def test_the_state_follows_the_jobs_in_hand_until_it_stops(status: WorkerStatus) -> None:
    seen = [status.snapshot().state]
    for change in (status.ready, lambda: status.holding(("a",)), lambda: status.holding(()), status.stopping):
        change()
        seen.append(status.snapshot().state)
    status.holding(("b",))
    assert seen == [State.STARTING, State.IDLE, State.WORKING, State.IDLE, State.STOPPING]
    assert (status.snapshot().state, status.snapshot().job_ids) == (State.STOPPING, ("b",))


def test_counters_add_up(status: WorkerStatus) -> None:
    status.add(images=2, generate_seconds=1.5)
    status.add(images=3)
    counters = status.snapshot().counters
    assert (counters.images, counters.generate_seconds, counters.jobs_failed) == (5, 1.5, 0)
