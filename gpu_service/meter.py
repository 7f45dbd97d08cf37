"""The meter: shares the device's time out to the jobs that it works for, so that each can tell what it cost."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from jobs.job import Job


class Metered(Protocol):
    """A job in hand: its seconds on the device, and its share of them, in this attempt."""

    job: Job
    generate_seconds: float
    device_seconds: float


class DeviceMeter:
    """A job's share is its pictures' part of those that are on the device with it. Thread-safe.

    Shares add up to the busy time exactly: whoever leaves early pays until then, and the others for the rest. What the
    device still does when nobody wants it any more, a step at most, is nobody's and counts as idle.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: list[Metered] = []
        self._since = 0.0
        self._busy_seconds = 0.0

    @property
    def busy_seconds(self) -> float:
        """How long the device has worked for jobs so far."""
        with self._lock:
            return self._busy_seconds + (self._clock() - self._since if self._jobs else 0.0)

    def begin(self, jobs: Iterable[Metered]) -> None:
        """These go onto the device together."""
        with self._lock:
            self._since = self._clock()
            self._jobs = list(jobs)

    def leave(self, job: Metered) -> None:
        """Nobody wants this one any more, if it is on the device at all."""
        with self._lock:
            if job in self._jobs:
                self._share()
                self._jobs.remove(job)

    def end(self) -> None:
        """The device has finished with them."""
        with self._lock:
            self._share()
            self._jobs = []

    def _share(self) -> None:
        now = self._clock()
        seconds, self._since = now - self._since, now
        if not self._jobs:
            return
        self._busy_seconds += seconds
        images = sum(metered.job.request.num_images for metered in self._jobs)
        for metered in self._jobs:
            metered.generate_seconds += seconds
            metered.device_seconds += seconds * metered.job.request.num_images / images
