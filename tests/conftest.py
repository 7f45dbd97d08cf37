"""The laptop cloud that most tests share: real templates, real Lambda, real worker on the tiny checkpoint."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before anything imports PyTorch: its waiting threads would take the cores from the cloud's other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import httpx
import pytest

from jobs import names
from local_cloud.cloud import LocalCloud
from local_cloud.processes import free_port

# Short, so that a test that kills a worker does not wait a minute for the lease to run out.
LEASE_SECONDS = 4


class LogLines:
    """What the API and the worker logged, as dictionaries, in the order in which it arrived."""

    def __init__(self) -> None:
        self._lines: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    @property
    def lines(self) -> list[dict[str, Any]]:
        with self._changed:
            return list(self._lines)

    def add(self, line: str) -> None:
        try:
            fields = json.loads(line)
        except ValueError:
            return
        with self._changed:
            self._lines.append(fields)
            self._changed.notify_all()

    def wait_for(self, *, timeout_seconds: float = 120, **wanted: object) -> dict[str, Any]:
        """The first line with all these fields; fails the test if there is none in time."""

        def find() -> dict[str, Any] | None:
            return next((line for line in self._lines if wanted.items() <= line.items()), None)

        with self._changed:
            found = self._changed.wait_for(find, timeout_seconds)
        assert found is not None, f"no line with {wanted} in {timeout_seconds} s"
        return found


def make_cloud(state: Path, log: LogLines, *, keep: bool = False) -> LocalCloud:
    return LocalCloud(
        api_port=free_port(),
        aws_port=free_port(),
        state=state,
        keep=keep,
        worker_environment={names.ENV_LEASE_SECONDS: str(LEASE_SECONDS)},
        say=lambda text: None,
        on_log_line=log.add,
    )


@pytest.fixture(scope="session")
def log() -> LogLines:
    return LogLines()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, log: LogLines) -> Iterator[LocalCloud]:
    with make_cloud(tmp_path_factory.mktemp("cloud"), log) as running:
        yield running


@pytest.fixture(scope="session")
def api(cloud: LocalCloud) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cloud.url, headers={"x-api-key": cloud.key}, timeout=30) as client:
        yield client
