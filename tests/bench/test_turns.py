"""Contenders that take turns: never two at a time, and all of them still at the end."""

import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from bench.processes import end, family, start, suspend
from bench.turns import TURN_SECONDS, Contender, seconds_of_each

# Counts for as long as it is told to, in seconds of its own processor time.
COUNT = """
import sys, time
for line in sys.stdin:
    until = time.process_time() + float(line)
    while time.process_time() < until:
        pass
    print("counted", flush=True)
"""


class Counter:
    """A contender that is busy for `turns` turns, whatever it is asked for."""

    def __init__(self, turns: float) -> None:
        self.process = start([sys.executable, "-c", COUNT])
        self.turns = turns
        self.asked: list[int] = []
        suspend(family(self.process))

    def prepare(self, pictures: int) -> Callable[[], None]:
        self.asked.append(pictures)
        return self.count

    def count(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(self.turns * TURN_SECONDS, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "counted\n"

    def contender(self) -> Contender:
        return Contender(self.prepare, [self.process])


@pytest.fixture
def counters() -> Iterator[list[Counter]]:
    counters = [Counter(turns=1.5), Counter(turns=3.5)]
    yield counters
    for counter in counters:
        end(counter.process)


def stands_still(counter: Counter) -> bool:
    process = psutil.Process(counter.process.pid)
    deadline = time.monotonic() + 5
    # The signal is on its way.
    while process.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.status() == psutil.STATUS_STOPPED


def test_each_is_charged_for_its_own_turns_alone(counters: list[Counter]) -> None:
    started = time.perf_counter()
    seconds = seconds_of_each([counter.contender() for counter in counters], 7)
    elapsed = time.perf_counter() - started

    assert [counter.asked for counter in counters] == [[7], [7]]
    # At least what it was busy for, which a busy machine makes longer; and no second belongs to two of them.
    assert all(own >= counter.turns * TURN_SECONDS for own, counter in zip(seconds, counters, strict=True))
    assert sum(seconds) <= elapsed
    assert all(stands_still(counter) for counter in counters)


def test_an_error_is_raised_when_the_others_are_done(counters: list[Counter]) -> None:
    def fail() -> None:
        raise ValueError("no picture")

    broken = Contender(lambda pictures: fail, [counters[0].process])
    with pytest.raises(ValueError, match="no picture"):
        seconds_of_each([broken, counters[1].contender()], 1)
    assert all(stands_still(counter) for counter in counters)
