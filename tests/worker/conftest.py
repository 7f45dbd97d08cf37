"""The emulator that the worker's tests share, and a proxy in front of it for each test."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from local_cloud import deployment
from local_cloud.processes import free_port
from tests.worker.backend import Backend, wait_until
from tests.worker.proxy import Proxy


@pytest.fixture(scope="session")
def emulated_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    directory = tmp_path_factory.mktemp("aws")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "local_cloud.emulator", "--state", str(directory)]
    with (directory / "emulator.log").open("w") as output:
        process = subprocess.Popen(
            [*command, "--aws-port", str(port), "--api-port", str(free_port())],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: answers(f"{url}/_ministack/ready"), 240, lambda: "the emulator does not answer")
        yield Backend(deployment.Deployment(deployment.emulated_aws(url), directory, lambda text: None), port)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def backend(emulated_aws: Backend) -> Iterator[Backend]:
    yield emulated_aws
    emulated_aws.end_workers()


@pytest.fixture
def proxy(backend: Backend) -> Iterator[Proxy]:
    with Proxy(backend.port) as running:
        yield running


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
