"""The finisher: encodes, uploads and records what the device has made, while the device makes the next."""

import hashlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from gpu_service.encoding import encode, parameters_text
from gpu_service.endings import AWS_ERRORS, Endings
from gpu_service.errors import GenerationError
from gpu_service.generation import Made, Outcome
from gpu_service.hands import Hands, Held
from gpu_service.pictures import PictureExistsError, Pictures
from gpu_service.status import WorkerStatus
from jobs.job import JobError, StoredImage
from jobs.store import JobStore, LostLeaseError

T = TypeVar("T")
# Finished pictures are kept this long while AWS does not take them; then the job is handed back, to be made again.
PATIENCE_SECONDS: Final = 120.0
RETRY_SECONDS: Final = 2.0
HAND_BACK_DELAY_SECONDS: Final = 5


@dataclass(frozen=True)
class Finished:
    """Jobs that came off the device together, with what became of each."""

    jobs: list[Held]
    outcomes: list[Outcome]


class _Storing:
    """A batch on its way out: its jobs are stored side by side, and their messages deleted in one call."""

    def __init__(self, jobs: int) -> None:
        self._left = jobs
        self._stored: list[Held] = []
        self._lock = threading.Lock()

    def done(self, held: Held, *, is_stored: bool) -> list[Held] | None:
        """A job is dealt with. Whoever says so of the last one gets those that are stored, the others None."""
        with self._lock:
            if is_stored:
                self._stored.append(held)
            self._left -= 1
            return self._stored if self._left == 0 else None


class Finisher:
    """Takes finished batches on any thread; `run` stores one job at a time, and is meant to run on several."""

    def __init__(
        self,
        *,
        store: JobStore,
        pictures: Pictures,
        hands: Hands,
        endings: Endings,
        status: WorkerStatus,
        lease_seconds: int,
        model_name: str,
        stopping: threading.Event,
    ) -> None:
        self._store = store
        self._pictures = pictures
        self._hands = hands
        self._endings = endings
        self._status = status
        self._lease_seconds = lease_seconds
        self._model_name = model_name
        self._stopping = stopping
        self._waiting: queue.SimpleQueue[tuple[Held, Outcome, _Storing]] = queue.SimpleQueue()
        self._open: set[_Storing] = set()

    @property
    def is_idle(self) -> bool:
        """Whether everything that was submitted has left the worker, the messages of the jobs included."""
        return not self._open

    def submit(self, finished: Finished) -> None:
        """Leave a batch to the finisher."""
        batch = _Storing(len(finished.jobs))
        self._open.add(batch)
        for held, outcome in zip(finished.jobs, finished.outcomes, strict=True):
            self._waiting.put((held, outcome, batch))

    def run(self) -> None:
        """Store jobs, as long as the process lives."""
        while True:
            held, outcome, batch = self._waiting.get()
            started = time.monotonic()
            is_stored = self._finish(held, outcome)
            self._status.add(store_seconds=time.monotonic() - started)
            if (stored := batch.done(held, is_stored=is_stored)) is not None:
                self._endings.forget(stored)
                self._open.discard(batch)
                self._hands.wake()

    def _finish(self, held: Held, outcome: Outcome) -> bool:
        try:
            return self._hands.has(held) and self._finish_job(held, outcome)
        except LostLeaseError:
            self._endings.lose(held)
        except AWS_ERRORS as error:
            self._endings.hand_back(
                [held], f"its pictures could not be stored: {error}", delay_seconds=HAND_BACK_DELAY_SECONDS
            )
        return False

    def _finish_job(self, held: Held, outcome: Outcome) -> bool:
        """Returns whether it succeeded and its message is still to be deleted."""
        if outcome is None:
            # Still in hand: the worker was told to stop when it was all but made.
            self._endings.hand_back([held], "its worker stops")
            return False
        if isinstance(outcome, GenerationError):
            error = JobError(code=outcome.code, message=f"The model could not make it: {outcome}")
            self._patiently(lambda: self._endings.fail(held, error))
            return False
        started = time.monotonic()
        images = tuple(self._upload(held, index, outcome) for index in range(len(outcome.pictures)))
        held.store_seconds = time.monotonic() - started
        self._patiently(lambda: self._endings.succeed(held, images))
        return True

    def _upload(self, held: Held, index: int, made: Made) -> StoredImage:
        pixels = made.pictures[index]
        request = held.job.request
        text = parameters_text(request, image=index, sampler=made.sampler, model=self._model_name)
        body = encode(pixels, request.output_format, text)
        # The same name at every attempt: a repeated job overwrites its own pictures with the same ones.
        key = held.job.image_key(index)
        self._patiently(lambda: self._put(held, key, body, request.output_format.content_type))
        return StoredImage(
            key=key,
            width=pixels.shape[1],
            height=pixels.shape[0],
            seed=request.image_seed(index),
            sha256=hashlib.sha256(body).hexdigest(),
            bytes=len(body),
        )

    def _put(self, held: Held, key: str, body: bytes, content_type: str) -> None:
        """Write a picture. Only the holder of the lease may overwrite one: else a worker that was cut off for a while
        could put its own beside a record that tells another's size and hash. Raises `LostLeaseError`.
        """
        try:
            self._pictures.put(key, body, content_type)
        except PictureExistsError:
            self._store.renew(
                held.lease, lease_seconds=self._lease_seconds, step=held.step, total_steps=held.total_steps
            )
            self._pictures.replace(key, body, content_type)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call until AWS answers, for as long as it is worth it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call()
            except AWS_ERRORS:
                if time.monotonic() > deadline or self._stopping.wait(RETRY_SECONDS):
                    raise
