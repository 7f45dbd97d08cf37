"""How long the request at hand has waited for a job: time that its client asked for, and not the API's own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_waited_seconds = 0.0


@contextmanager
def waiting() -> Iterator[None]:
    """What happens inside is waiting."""
    global _waited_seconds
    started = time.perf_counter()
    try:
        yield
    finally:
        _waited_seconds += time.perf_counter() - started


def take_waited_seconds() -> float:
    """What was waited since this was last asked; a function serves one request at a time."""
    global _waited_seconds
    waited, _waited_seconds = _waited_seconds, 0.0
    return waited
