"""Models in S3: files are downloaded in pieces, many at a time, and each is checked against what S3 knows of it."""

import hashlib
import os
import re
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gpu_service.model import wanted_files
from gpu_service.model_facts import ModelError, UnreachableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECTIONS: Final = 8
PIECE_BYTES: Final = 32 * 2**20
# Where nobody answers at all, the model's copy in the cache is used, and is not to wait long for it.
CONNECT_SECONDS: Final = 10
READ_BYTES: Final = 2**20
# Beside the files, in the form that `sha256sum` writes: for objects of which S3 keeps no checksum that we can compute.
MANIFEST: Final = "SHA256SUMS"
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_MD5_OF_PARTS: Final = re.compile(r"[0-9a-f]{32}-\d+")


@dataclass(frozen=True)
class S3File:
    """One object. `algorithm` is sha256, md5, or md5 over the md5 of parts of `part_bytes`."""

    path: str
    key: str
    etag: str
    size_bytes: int
    algorithm: str
    checksum: str
    part_bytes: int = 0

    def actual_checksum(self, file: Path) -> str:
        """The checksum of what was downloaded."""
        with file.open("rb") as content:
            if self.algorithm != "parts":
                return hashlib.file_digest(content, self.algorithm).hexdigest()
            parts = []
            while part := content.read(self.part_bytes):
                parts.append(hashlib.md5(part, usedforsecurity=False).digest())
        return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


class S3Source:
    """A model under `s3://bucket/prefix`."""

    def __init__(self, url: str, *, s3: "S3Client | None" = None, piece_bytes: int = PIECE_BYTES) -> None:
        """`s3` is made from the environment where it is left out."""
        self._url = url.rstrip("/")
        self._bucket, _, prefix = self._url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        config = Config(
            retries={"mode": "standard", "max_attempts": 6},
            connect_timeout=CONNECT_SECONDS,
            max_pool_connections=CONNECTIONS,
        )
        self._s3 = s3 or boto3.client("s3", config=config)
        self._piece_bytes = piece_bytes

    @cached_property
    def name(self) -> str:
        """The last part of the prefix, and a digest that changes with any of the files."""
        listing = "".join(f"{file.path} {file.size_bytes} {file.etag}\n" for file in self.files)
        digest = hashlib.sha256(f"{self._bucket}/{self._prefix}\n{listing}".encode()).hexdigest()[:12]
        last = self._url.rpartition("/")[2]
        return f"{re.sub(r'[^A-Za-z0-9._-]', '-', last)}-{digest}"

    @property
    def total_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)

    @cached_property
    def files(self) -> list[S3File]:
        """The objects to download. Raises `UnreachableError`, and `ModelError` where they are no model."""
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
            paths = [key.removeprefix(self._prefix) for key in keys]
            wanted = wanted_files(paths, self._url)
            sums = self._manifest() if MANIFEST in paths else {}
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                return list(pool.map(lambda path: self._describe(path, sums.get(path)), sorted(wanted)))
        except (ClientError, BotoCoreError) as error:
            raise UnreachableError(f"{self._url} can't be read: {error}") from error

    def download(self, directory: Path, progress: Callable[[int], None]) -> None:
        """Bring every file into `directory`. One that arrives damaged is fetched once more."""
        self._fetch(self.files, directory, progress)
        damaged = self._damaged(self.files, directory)
        if damaged:
            self._fetch(damaged, directory, progress)
            damaged = self._damaged(damaged, directory)
        if damaged:
            names = ", ".join(file.path for file in damaged)
            raise ModelError(f"downloaded twice, and not what {self._url} says it is: {names}")

    def _manifest(self) -> dict[str, str]:
        text = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + MANIFEST)["Body"].read().decode()
        pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
        return {path.lstrip("*").removeprefix("./"): digest.lower() for digest, path in pairs}

    def _describe(self, path: str, sha256: str | None) -> S3File:
        key = self._prefix + path
        head = self._s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        etag, size = head["ETag"], head["ContentLength"]
        plain_etag = etag.strip('"')
        stored = head.get("ChecksumSHA256", "")
        if sha256:
            return S3File(path, key, etag, size, "sha256", sha256)
        if stored and "-" not in stored:
            return S3File(path, key, etag, size, "sha256", b64decode(stored).hex())
        # Under a KMS key an ETag is no MD5.
        if not head.get("ServerSideEncryption", "").startswith("aws:kms"):
            if _MD5.fullmatch(plain_etag):
                return S3File(path, key, etag, size, "md5", plain_etag)
            if _MD5_OF_PARTS.fullmatch(plain_etag):
                part = self._s3.head_object(Bucket=self._bucket, Key=key, PartNumber=1)
                return S3File(path, key, etag, size, "parts", plain_etag, part["ContentLength"])
        raise ModelError(
            f"{self._url}/{path} has no checksum that can be computed here. "
            f"Put one beside it: sha256sum $(find -type f) > {MANIFEST}, then upload {MANIFEST}"
        )

    def _fetch(self, files: list[S3File], directory: Path, progress: Callable[[int], None]) -> None:
        pieces = [
            (file, first)
            for file in files
            if not (directory / file.path).exists()
            for first in _missing_pieces(file, directory, self._piece_bytes)
        ]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            results = [pool.submit(self._fetch_piece, *piece, directory, progress) for piece in pieces]
            try:
                for result in results:
                    result.result()
            except (ClientError, BotoCoreError, OSError) as error:
                pool.shutdown(cancel_futures=True)
                raise ModelError(f"{self._url} could not be downloaded: {error}") from error

    def _fetch_piece(self, file: S3File, first: int, directory: Path, progress: Callable[[int], None]) -> None:
        last = min(first + self._piece_bytes, file.size_bytes) - 1
        # Only of the object that was listed: it may be replaced meanwhile.
        answer = self._s3.get_object(
            Bucket=self._bucket, Key=file.key, Range=f"bytes={first}-{last}", IfMatch=file.etag
        )
        partial, done = _partial(file, directory)
        with partial.open("r+b") as target:
            target.seek(first)
            for chunk in answer["Body"].iter_chunks(READ_BYTES):
                target.write(chunk)
                progress(len(chunk))
        # One short write at the end of a file: threads do not mix theirs up.
        with done.open("a") as record:
            record.write(f"{self._piece_bytes} {first}\n")

    def _damaged(self, files: list[S3File], directory: Path) -> list[S3File]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            good = list(pool.map(lambda file: _settle(file, directory), files))
        return [file for file, settled in zip(files, good, strict=True) if not settled]


def _partial(file: S3File, directory: Path) -> tuple[Path, Path]:
    """Where a file grows, and the record of its pieces that are there."""
    return directory / f"{file.path}.partial", directory / f"{file.path}.pieces"


def _missing_pieces(file: S3File, directory: Path, piece_bytes: int) -> list[int]:
    """The first bytes of the pieces still to fetch; makes the file they go into."""
    partial, done = _partial(file, directory)
    partial.parent.mkdir(parents=True, exist_ok=True)
    if not partial.exists() or not done.exists():
        done.write_text("")
        with partial.open("wb") as target:
            target.truncate(file.size_bytes)
    records = set(done.read_text().splitlines())
    return [first for first in range(0, file.size_bytes, piece_bytes) if f"{piece_bytes} {first}" not in records]


def _settle(file: S3File, directory: Path) -> bool:
    """Give a file that arrived well its name; throw away one that did not."""
    whole = directory / file.path
    if whole.exists():
        return True
    partial, done = _partial(file, directory)
    if partial.stat().st_size == file.size_bytes and file.actual_checksum(partial) == file.checksum:
        partial.rename(whole)
        done.unlink()
        return True
    partial.unlink()
    done.unlink()
    return False
