"""Health, readiness and the GPU page, asked over HTTP as the container runtime asks them."""

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gpu_service.gpu_reader import GpuReaderError, GpuReading
from gpu_service.health import Canary, HealthServer

READING = GpuReading("Tesla T4", 13_800_000_000, 16_106_127_360, 97, 71, 68.5)


@dataclass
class FakeStatus:
    """What the worker's status says, set by the test."""

    state: str = "starting"
    is_stuck: bool = False
    silent_seconds: float = 0.0

    def snapshot(self) -> "FakeStatus":
        return self


@dataclass
class FakeGpu:
    """NVIDIA's library can't exist here; this stands where it would be read."""

    error: GpuReaderError | None = None

    def read(self) -> GpuReading:
        if self.error:
            raise self.error
        return READING


@dataclass
class Device:
    """A device whose small operation goes well, fails, or hangs."""

    problem: str = ""
    hangs: threading.Event | None = None
    calls: list[None] = field(default_factory=list)

    def operation(self) -> None:
        self.calls.append(None)
        if self.hangs:
            self.hangs.wait(30)
        if self.problem:
            raise RuntimeError(self.problem)


@pytest.fixture
def status() -> FakeStatus:
    return FakeStatus()


@pytest.fixture
def server(status: FakeStatus) -> Iterator[HealthServer]:
    server = HealthServer(status, port=0)
    yield server
    server.close()


def get(server: HealthServer, path: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def loaded(server: HealthServer, device: Device, gpu: FakeGpu | None = None) -> None:
    canary = Canary(device.operation, timeout_seconds=0.2, valid_seconds=0)
    server.loaded(canary=canary, device=lambda: {"device": "cuda", "rung": "resident"}, gpu=gpu)


def test_a_worker_that_loads_its_model_is_alive_and_not_ready(server: HealthServer) -> None:
    assert get(server, "/health")[0] == 200
    assert get(server, "/ready") == (503, {"ready": False, "state": "starting"})


def test_a_loaded_worker_is_ready_until_it_stops(server: HealthServer, status: FakeStatus) -> None:
    loaded(server, Device())
    for state, code in (("idle", 200), ("working", 200), ("stopping", 503)):
        status.state = state
        assert get(server, "/ready")[0] == code
        assert get(server, "/health")[0] == 200


def test_a_device_that_fails_a_small_operation_is_unhealthy_with_the_cause(server: HealthServer) -> None:
    device = Device()
    loaded(server, device)
    code, body = get(server, "/health")
    assert (code, body["status"], body["device"], body["rung"]) == (200, "ok", "cuda", "resident")
    device.problem = "CUDA error: uncorrectable ECC error"
    code, body = get(server, "/health")
    assert (code, body["status"]) == (503, "failing")
    assert "uncorrectable ECC" in body["cause"]


def test_a_device_that_hangs_is_unhealthy_and_is_not_piled_upon(server: HealthServer) -> None:
    device = Device(hangs=threading.Event())
    loaded(server, device)
    for _ in range(3):
        code, body = get(server, "/health")
        assert code == 503
        assert "has not answered" in body["cause"]
    assert len(device.calls) == 1
    assert device.hangs is not None
    device.hangs.set()


def test_a_stuck_step_is_unhealthy(server: HealthServer, status: FakeStatus) -> None:
    loaded(server, Device())
    status.is_stuck, status.silent_seconds = True, 240.0
    code, body = get(server, "/health")
    assert code == 503
    assert "silent for 240 s" in body["cause"]


def test_the_gpu_page_shows_the_card_and_the_plan(server: HealthServer) -> None:
    loaded(server, Device(), FakeGpu())
    code, body = get(server, "/gpu")
    assert (code, body["rung"], body["name"]) == (200, "resident", "Tesla T4")
    assert (body["utilization_percent"], body["temperature_celsius"], body["power_watts"]) == (97, 71, 68.5)


def test_a_gpu_that_can_not_be_read_says_why(server: HealthServer) -> None:
    loaded(server, Device(), FakeGpu(GpuReaderError("the GPU can't be read: Unknown Error")))
    assert "Unknown Error" in get(server, "/gpu")[1]["reader_problem"]


def ask(**environment: str) -> "subprocess.CompletedProcess[str]":
    code = "import sys; from gpu_service.health import main; sys.exit(main() or 9 * ('torch' in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], env={**_path(), **environment}, capture_output=True, text=True)


def _path() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path)}


def test_the_containers_check_follows_the_workers_health(server: HealthServer, status: FakeStatus) -> None:
    port = str(server.port)
    assert ask(GAMEFORGE_HEALTH_PORT=port).returncode == 0
    status.is_stuck = True
    sick = ask(GAMEFORGE_HEALTH_PORT=port)
    assert (sick.returncode, "silent" in sick.stderr) == (1, True)


def test_the_containers_check_fails_where_nobody_answers() -> None:
    assert "does not answer" in ask(GAMEFORGE_HEALTH_PORT="9").stderr
    assert ask().returncode == 1
