"""The finisher: encodes, uploads and records what the device has made, while the device makes the next."""

import hashlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import ClientError

from gpu_service.encoding import encode, parameters_text
from gpu_service.endings import AWS_ERRORS, Endings
from gpu_service.errors import GenerationError
from gpu_service.generation import Made, Outcome
from gpu_service.hands import Hands, Held
from gpu_service.status import WorkerStatus
from jobs.job import JobError, StoredImage
from jobs.store import JobStore, LostLeaseError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
# Finished pictures are kept this long while AWS does not take them; then the job is handed back, to be made again.
PATIENCE_SECONDS: Final = 120.0
RETRY_SECONDS: Final = 2.0
HAND_BACK_DELAY_SECONDS: Final = 5
_OBJECT_EXISTS: Final = "PreconditionFailed"


@dataclass(frozen=True)
class Finished:
    """Jobs that came off the device together, with what became of each."""

    jobs: list[Held]
    outcomes: list[Outcome]


class Finisher:
    """Takes finished batches on any thread; `run` stores them on its own, and may run on several."""

    def __init__(
        self,
        *,
        store: JobStore,
        s3: "S3Client",
        images_bucket: str,
        hands: Hands,
        endings: Endings,
        status: WorkerStatus,
        lease_seconds: int,
        model_name: str,
        stopping: threading.Event,
    ) -> None:
        self._store = store
        self._s3 = s3
        self._images_bucket = images_bucket
        self._hands = hands
        self._endings = endings
        self._status = status
        self._lease_seconds = lease_seconds
        self._model_name = model_name
        self._stopping = stopping
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()

    def submit(self, finished: Finished) -> None:
        """Leave a batch to the finisher."""
        self._finished.put(finished)

    def run(self) -> None:
        """Store batches, as long as the process lives."""
        while True:
            self._finish(self._finished.get())

    def _finish(self, finished: Finished) -> None:
        started = time.monotonic()
        stored: list[Held] = []
        for held, outcome in zip(finished.jobs, finished.outcomes, strict=True):
            try:
                if self._hands.has(held) and self._finish_job(held, outcome):
                    stored.append(held)
            except LostLeaseError:
                self._endings.lose(held)
            except AWS_ERRORS as error:
                self._endings.hand_back(
                    [held], f"its pictures could not be stored: {error}", delay_seconds=HAND_BACK_DELAY_SECONDS
                )
        if stored:
            # One call for the batch.
            self._endings.forget(stored)
        self._status.add(store_seconds=time.monotonic() - started)

    def _finish_job(self, held: Held, outcome: Outcome) -> bool:
        """Returns whether it succeeded and its message is still to be deleted."""
        if outcome is None:
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
        key = f"{held.job.job_id}/{index}.{request.output_format.extension}"
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
            self._s3.put_object(
                Bucket=self._images_bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _OBJECT_EXISTS:
                raise
            self._store.renew(
                held.lease, lease_seconds=self._lease_seconds, step=held.step, total_steps=held.total_steps
            )
            self._s3.put_object(Bucket=self._images_bucket, Key=key, Body=body, ContentType=content_type)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call until AWS answers, for as long as it is worth it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call()
            except AWS_ERRORS:
                if time.monotonic() > deadline or self._stopping.wait(RETRY_SECONDS):
                    raise
