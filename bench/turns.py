"""Lets contenders take turns of a fraction of a second.

A shared machine's speed changes by half from one second to the next. Of two contenders that ran one after the other,
one would have had the better seconds; of two that take turns, both have the same.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import psutil

from bench.processes import family, resume, suspend

TURN_SECONDS: Final = 0.25


@dataclass(frozen=True)
class Contender:
    """Makes pictures in processes of its own, which stand still while it is not its turn.

    `prepare` takes the number of pictures and gives the function that makes them, which alone is measured.
    """

    prepare: Callable[[int], Callable[[], object]]
    processes: Sequence["subprocess.Popen[str]"]


def seconds_of_each(contenders: Sequence[Contender], pictures: int) -> list[float]:
    """The seconds that each contender needs for so many pictures, without those in which it had to stand still.

    All their processes stand still before and afterwards. An error that making pictures raises is raised.
    """
    families = [[member for process in each.processes for member in family(process)] for each in contenders]
    makers = []
    for contender, members in zip(contenders, families, strict=True):
        with _awake(members):
            makers.append(contender.prepare(pictures))
    seconds = [0.0] * len(contenders)
    futures: dict[int, Future[object]] = {}
    with ThreadPoolExecutor(len(contenders)) as pool:
        there = range(len(contenders))
        # There and back, so that none of them is always the one that comes after a certain other.
        for turn in cycle([*there, *reversed(there)]):
            if len(futures) == len(contenders) and all(future.done() for future in futures.values()):
                break
            if turn in futures and futures[turn].done():
                continue
            began = time.perf_counter()
            with _awake(families[turn]):
                if turn not in futures:
                    futures[turn] = pool.submit(makers[turn])
                wait([futures[turn]], TURN_SECONDS)
            seconds[turn] += time.perf_counter() - began
    for future in futures.values():
        future.result()
    return seconds


@contextmanager
def _awake(members: Sequence[psutil.Process]) -> Iterator[None]:
    resume(members)
    try:
        yield
    finally:
        suspend(members)
