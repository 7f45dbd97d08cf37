"""Models on the Hugging Face hub: downloaded by its own library, checked against the checksums that the hub lists."""

import hashlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from gpu_service.model import wanted_files
from gpu_service.model_facts import ModelError, UnreachableError

# Where nobody answers, the model's copy in the cache is used, and is not to wait long for it.
ASK_SECONDS: Final = 30


class HubSource:
    """A model by its hub id, `owner/name` or `owner/name@revision`."""

    def __init__(self, model: str, *, endpoint: str | None = None) -> None:
        """`endpoint` is another hub than the usual one; the environment's HF_ENDPOINT where it is left out."""
        self._id, _, self._revision = model.partition("@")
        self._api = HfApi(endpoint=endpoint)

    @cached_property
    def name(self) -> str:
        """The id and the commit that its revision stands for now."""
        return f"{self._id.replace('/', '--')}-{self._commit[:12]}"

    @property
    def total_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files)

    @cached_property
    def files(self) -> list[RepoFile]:
        """The files to download, with their checksums."""
        tree = self._ask(lambda: list(self._api.list_repo_tree(self._id, recursive=True, revision=self._commit)))
        listed = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        return [listed[path] for path in sorted(wanted_files(list(listed), self._id))]

    def download(self, directory: Path, progress: Callable[[int], None]) -> None:
        """Bring every file into `directory`. One that arrives damaged is fetched once more."""
        self._fetch(directory, progress)
        if damaged := self._damaged(directory):
            for path in damaged:
                (directory / path).unlink(missing_ok=True)
            self._fetch(directory, progress)
            damaged = self._damaged(directory)
        if damaged:
            raise ModelError(f"downloaded twice, and not what {self._id} says it is: {', '.join(damaged)}")

    @cached_property
    def _commit(self) -> str:
        if re.fullmatch(r"[0-9a-f]{40}", self._revision):
            return self._revision
        commit = self._ask(
            lambda: self._api.model_info(self._id, revision=self._revision or None, timeout=ASK_SECONDS).sha
        )
        if not commit:
            raise ModelError(f"the hub names no commit of {self._id}")
        return str(commit)

    def _fetch(self, directory: Path, progress: Callable[[int], None]) -> None:
        missing = [file for file in self.files if not (directory / file.path).exists()]
        self._ask(
            lambda: self._api.snapshot_download(
                self._id, revision=self._commit, local_dir=directory, allow_patterns=[file.path for file in missing]
            )
        )
        progress(sum(file.size for file in missing))

    def _damaged(self, directory: Path) -> list[str]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            good = list(pool.map(lambda file: _is_whole(file, directory / file.path), self.files))
        return [file.path for file, whole in zip(self.files, good, strict=True) if not whole]

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise UnreachableError(f"{self._id} can't be had from the hub: {error}") from error


def _is_whole(listed: RepoFile, file: Path) -> bool:
    if not file.exists() or file.stat().st_size != listed.size:
        return False
    with file.open("rb") as content:
        if listed.lfs is not None:
            return hashlib.file_digest(content, "sha256").hexdigest() == listed.lfs.sha256
        # A small file's id is git's: the SHA-1 of a header and the content.
        digest = hashlib.sha1(f"blob {listed.size}\0".encode(), usedforsecurity=False)
        digest.update(content.read())
    return digest.hexdigest() == listed.blob_id
