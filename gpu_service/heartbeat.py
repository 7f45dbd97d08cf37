"""The heartbeat: keeps the jobs in hand this worker's own, writes their progress, and learns of cancellations."""

import threading
import time
from typing import Final

from aws_lambda_powertools import Logger

from gpu_service.endings import AWS_ERRORS, Endings
from gpu_service.hands import Hands, Held, Phase
from jobs.logs import Event, log_event
from jobs.queue import JobQueue
from jobs.store import JobStore, LostLeaseError

# Progress is worth one write a second: a write every step cost 40 ms a job in measurements.
TICK_SECONDS: Final = 1.0
# Two beats may get lost before the lease runs out.
BEATS_PER_LEASE: Final = 3


class Heartbeat:
    """Runs on a thread of its own until `finished` is set."""

    def __init__(
        self,
        *,
        store: JobStore,
        queue: JobQueue,
        hands: Hands,
        endings: Endings,
        lease_seconds: int,
        finished: threading.Event,
        logger: Logger,
    ) -> None:
        self._store = store
        self._queue = queue
        self._hands = hands
        self._endings = endings
        self._lease_seconds = lease_seconds
        self._finished = finished
        self._logger = logger
        self._beat_seconds = max(TICK_SECONDS, lease_seconds / BEATS_PER_LEASE)

    def run(self) -> None:
        """Renew leases. One that can't be renewed is tried again at the next tick; only a longer silence loses it."""
        hidden_at = time.monotonic()
        while not self._finished.wait(TICK_SECONDS):
            for held in self._hands.all():
                now = time.monotonic()
                # A running job is renewed at each tick, because the same write tells its step and reads whether it was
                # canceled; for the others it is enough that their lease holds.
                runs = held.phase is Phase.RUNNING and now - held.running_since >= TICK_SECONDS
                if now - held.renewed_at >= (TICK_SECONDS if runs else self._beat_seconds):
                    self._renew(held)
            if time.monotonic() - hidden_at >= self._beat_seconds:
                hidden_at = time.monotonic()
                self._hide()

    def _renew(self, held: Held) -> None:
        preview, held.preview = held.preview, None
        try:
            job = self._store.renew(
                held.lease,
                lease_seconds=self._lease_seconds,
                step=held.step,
                total_steps=held.total_steps,
                preview=preview,
            )
            held.renewed_at = time.monotonic()
            if job.cancel_requested and held.phase is not Phase.ENDING:
                self._endings.cancel(held)
                self._hands.wake()
        except LostLeaseError:
            # Where its end is being written, that is what ended the lease.
            if held.phase is not Phase.ENDING:
                self._endings.lose(held)
        except AWS_ERRORS as error:
            text = f"Could not renew the lease: {error}"
            log_event(self._logger, Event.HEARTBEAT_MISSED, text, warning=True, **held.log_fields)

    def _hide(self) -> None:
        try:
            self._queue.hide([held.delivery for held in self._hands.all()], seconds=self._lease_seconds)
        except AWS_ERRORS as error:
            text = f"Could not keep messages hidden: {error}"
            log_event(self._logger, Event.HEARTBEAT_MISSED, text, warning=True)
