"""Prints how far a long phase is and how long the rest will take."""

import time


class Progress:
    """A line of progress every few seconds, written so that it reads well in a log file too."""

    def __init__(self, label: str, total: int, *, start: int = 0, interval_seconds: float = 10.0) -> None:
        self._label = label
        self._total = total
        self._start = start
        self._interval_seconds = interval_seconds
        self._started_at = self._shown_at = time.monotonic()

    def show(self, done: int, note: str = "") -> None:
        """Print a line if one is due or if `done` reaches the total."""
        now = time.monotonic()
        if done < self._total and now - self._shown_at < self._interval_seconds:
            return
        self._shown_at = now
        elapsed_seconds = now - self._started_at
        left_seconds = elapsed_seconds / max(1, done - self._start) * (self._total - done)
        times = f"{elapsed_seconds:4.0f} s gone, {left_seconds:4.0f} s left"
        print(f"{self._label}: {done}/{self._total}, {times}{', ' + note if note else ''}", flush=True)
