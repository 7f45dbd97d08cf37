"""Where the model comes from: a local directory, an S3 prefix or a hub id; ends as a directory that is whole.

A download goes into a directory of its own, is verified, and gets its final name only then; the tasks of one host share
the cache, and one of them downloads while the others wait. Each start asks for the model's newest version; while nobody
answers, the one that was used last is good enough.
"""

import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from aws_lambda_powertools import Logger

from gpu_service.model_facts import ModelError, UnreachableError
from jobs.logs import Event, log_event

# Downloads that take longer than this say how far they are, this often.
PROGRESS_SECONDS: Final = 2.0
# What a diffusers directory needs. Pickled weights could run code as they are loaded.
WEIGHTS: Final = ".safetensors"
VARIANT: Final = ".fp16"
PARTS: Final = ("unet", "text_encoder", "text_encoder_2", "vae")
_TEXTS: Final = (".json", ".txt", ".model")
_PICKLES: Final = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?")


@dataclass(frozen=True)
class Fetched:
    """A model that is on disk, and what it took."""

    directory: Path
    downloaded_bytes: int
    seconds: float


class Source(Protocol):
    """A place that models are downloaded from."""

    @property
    def name(self) -> str:
        """Names the model and its version: the directory in the cache. Asks the remote end.

        Raises `UnreachableError` where that can't be asked, and `ModelError` where it has no such model.
        """

    @property
    def total_bytes(self) -> int:
        """The size of all files that are to be downloaded."""

    def download(self, directory: Path, progress: Callable[[int], None]) -> None:
        """Bring every file into `directory`, going on where an earlier download stopped, and verify each.

        `progress` gets the bytes of each piece that arrives. Raises `ModelError`.
        """


def fetch_model(model: str, cache_directory: Path, logger: Logger) -> Fetched:
    """The directory that holds `model` whole. Raises `ModelError` with what a person can do about it."""
    started = time.monotonic()
    if Path(model).is_dir():
        return Fetched(Path(model), 0, 0.0)
    if model.startswith("s3://"):
        from gpu_service.model_s3 import S3Source

        return _download(model, S3Source(model), cache_directory, logger, started)
    if _HUB_ID.fullmatch(model):
        from gpu_service.model_hub import HubSource

        return _download(model, HubSource(model), cache_directory, logger, started)
    raise ModelError(f"{model!r} is no model: give a directory that exists, s3://bucket/prefix, or a hub id owner/name")


def wanted_files(names: list[str], where: str) -> list[str]:
    """Of a model's files, those to download. Raises `ModelError` where its weights come as pickles only."""
    weights = [name for name in names if name.endswith(WEIGHTS)]
    if "model_index.json" in names:
        # Beside the parts, hubs keep the same weights in one file, other versions, and other programs' formats.
        weights = [name for name in weights if name.partition("/")[0] in PARTS]
    if not weights:
        pickles = [name for name in names if name.endswith(_PICKLES)]
        hint = f": {pickles[0]} could run code as it is loaded; convert it to safetensors" if pickles else ""
        raise ModelError(f"{where} holds no safetensors weights in the diffusers layout{hint}")
    # Of a part that comes in fp16 as well, that is enough: the plan's precision is made as it is loaded.
    larger = {name.replace(VARIANT, "") for name in weights if VARIANT in name}
    texts = [name for name in names if name.endswith(_TEXTS)]
    return [name for name in weights if name not in larger] + texts


def _download(model: str, source: Source, cache_directory: Path, logger: Logger, started: float) -> Fetched:
    models = cache_directory / "models"
    try:
        models.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"the cache directory can't be used: {error}") from None
    last_used = _LastUsed(models, model)
    try:
        name = source.name
    except UnreachableError as error:
        if (whole := last_used.read()) is None:
            raise
        text = f"{error}. Going on with {whole.name}, which was used last"
        log_event(logger, Event.MODEL_FETCHED, text, warning=True, downloaded_bytes=0)
        return Fetched(whole, 0, time.monotonic() - started)
    whole, partial = models / name, models / f"{name}.partial"
    downloaded_bytes = 0
    with _lock(models / f"{name}.lock", name, logger):
        if not whole.is_dir():
            partial.mkdir(exist_ok=True)
            downloaded = _Downloaded(name, source.total_bytes, logger)
            source.download(partial, downloaded.add)
            downloaded_bytes = downloaded.bytes
            partial.rename(whole)
        last_used.write(name)
    seconds = time.monotonic() - started
    log_event(
        logger,
        Event.MODEL_FETCHED,
        f"{name} is there"
        + (f", {downloaded_bytes / 1e6:.0f} MB downloaded" if downloaded_bytes else ", in the cache"),
        downloaded_bytes=downloaded_bytes,
        fetch_seconds=round(seconds, 2),
    )
    return Fetched(whole, downloaded_bytes, seconds)


class _LastUsed:
    """Which of the directories in the cache a model was when it was last asked for."""

    def __init__(self, models: Path, model: str) -> None:
        self._models = models
        self._file = models / f"{hashlib.sha256(model.encode()).hexdigest()[:12]}.last"

    def read(self) -> Path | None:
        try:
            whole = self._models / self._file.read_text()
        except OSError:
            return None
        return whole if whole.is_dir() else None

    def write(self, name: str) -> None:
        """To be called under the lock of that name, which makes the temporary file ours."""
        temporary = self._models / f"{name}.last"
        # A full disk is no reason not to use a model that is there.
        with suppress(OSError):
            temporary.write_text(name)
            temporary.replace(self._file)


class _Downloaded:
    """Counts what arrives, and says so from time to time."""

    def __init__(self, name: str, total_bytes: int, logger: Logger) -> None:
        self.bytes = 0
        self._name = name
        self._total_bytes = total_bytes
        self._logger = logger
        self._lock = threading.Lock()
        self._said = time.monotonic()

    def add(self, arrived_bytes: int) -> None:
        with self._lock:
            self.bytes += arrived_bytes
            now = time.monotonic()
            if now - self._said < PROGRESS_SECONDS:
                return
            self._said = now
            log_event(
                self._logger,
                Event.MODEL_FETCHING,
                f"Downloading {self._name}: {self.bytes / 1e6:.0f} of {self._total_bytes / 1e6:.0f} MB",
                downloaded_bytes=self.bytes,
                total_bytes=self._total_bytes,
            )


@contextmanager
def _lock(file: Path, name: str, logger: Logger) -> Iterator[None]:
    # The kernel's own lock: it can't outlive the process that holds it.
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        waited = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    log_event(logger, Event.MODEL_FETCHING, f"Another task on this host is downloading {name}; waiting")
                waited = True
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
