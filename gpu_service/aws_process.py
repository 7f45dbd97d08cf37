"""The worker's calls to AWS, in a process of their own.

A call costs one to two milliseconds of Python, and a job takes about five. In the device's own process they would stop
the device for all that time and more, because one thread at a time has the interpreter: diffusers prepares each of its
kernels in Python.
"""

import functools
import gc
import inspect
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.managers import BaseManager
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from gpu_service.pictures import Pictures
from gpu_service.settings import WorkerSettings
from jobs.queue import JobQueue
from jobs.store import JobStore
from jobs.workers import Workers

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session

P = ParamSpec("P")
T = TypeVar("T")
ATTEMPTS_MAX: Final = 4
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
# Names the program to AWS; botocore would put its own together anew for each call.
USER_AGENT: Final = "gameforge-sdxl-worker"
# What a call raises when the process is gone.
PROCESS_GONE: Final = (EOFError, OSError)


class AwsUnreachableError(BotoCoreError):
    """What botocore raised, as text: its own errors hold connections, which no other process can have."""

    fmt = "{text}"


@dataclass(frozen=True)
class Aws:
    """Everything that the worker asks of AWS. Each method may be called on any thread; calls run side by side.

    They raise `LostLeaseError`, `PictureExistsError`, and what `gpu_service.endings.AWS_ERRORS` names. `PROCESS_GONE`
    means the end of the worker, too: it has lost its hold on its jobs.
    """

    store: JobStore
    queue: JobQueue
    dead_letters: JobQueue | None
    pictures: Pictures
    workers: Workers


class _AwsManager(BaseManager):
    """The process, and the connections to it."""


def start_aws_process(settings: WorkerSettings) -> Aws:
    """Start the process, which ends when this one does. Call it while there is one thread, because it forks."""
    read_end, write_end = os.pipe()
    # Of Linux's own kind, which leaves no file behind when a process is killed; elsewhere a file in a temporary folder.
    address = f"\0gameforge-{uuid4().hex}" if sys.platform == "linux" else None
    manager = _AwsManager(address=address, ctx=multiprocessing.get_context("fork"))
    # What is here by now stays for good; so the collector need not write on pages that both processes share.
    gc.freeze()
    manager.start(initializer=_in_the_process, initargs=(read_end, write_end))
    os.close(read_end)
    make: Any = manager
    dead_letters = settings.dead_letter_queue_url
    return Aws(
        store=cast(JobStore, make.store(settings.jobs_table)),
        queue=cast(JobQueue, make.queue(settings.queue_url)),
        dead_letters=cast(JobQueue, make.queue(dead_letters)) if dead_letters else None,
        pictures=cast(Pictures, make.pictures(settings.images_bucket)),
        workers=cast(Workers, make.workers(settings.jobs_table)),
    )


def _in_the_process(read_end: int, write_end: int) -> None:
    """Leave signals to the worker, which still has jobs to hand back then; end when the worker is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.close(write_end)

    def end_with_the_worker() -> None:
        # Nothing is ever written: this returns when the other end is closed, however that process ended.
        os.read(read_end, 1)
        os._exit(0)

    threading.Thread(target=end_with_the_worker, name="end-with-the-worker", daemon=True).start()


def _sendable(method: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(method)
    def call(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return method(*arguments, **options)
        except ClientError as error:
            # boto3 makes a class of its own for each of a service's errors; only their common one can be sent.
            raise ClientError(error.response, error.operation_name) from None
        except BotoCoreError as error:
            raise AwsUnreachableError(text=f"{type(error).__name__}: {error}") from None

    return call


def _with_sendable_errors(kind: type[T]) -> type[T]:
    methods = inspect.getmembers(kind, inspect.isfunction)
    return type(kind.__name__, (kind,), {name: _sendable(f) for name, f in methods if not name.startswith("_")})


def _config() -> "Config":
    from botocore.config import Config

    return Config(
        retries={"mode": "standard", "max_attempts": ATTEMPTS_MAX},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        user_agent=USER_AGENT,
    )


# Run in the process. The rest of botocore is imported there alone.


@functools.cache
def _session() -> "Session":
    import botocore.session

    return botocore.session.get_session()


@functools.cache
def _client(service: str) -> Any:
    # boto3 would be another 3 MB, for objects that nothing here uses.
    return _session().create_client(service, config=_config())


def _register(name: str, kind: type[Any], service: str) -> None:
    _AwsManager.register(name, lambda target: _with_sendable_errors(kind)(_client(service), target))


_register("store", JobStore, "dynamodb")
_register("queue", JobQueue, "sqs")
_register("pictures", Pictures, "s3")
_register("workers", Workers, "dynamodb")
