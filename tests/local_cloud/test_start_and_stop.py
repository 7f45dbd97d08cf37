"""Starting and stopping: what people trip over gets a clear sentence, and nothing is left running."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from local_cloud.cloud import LocalCloud
from local_cloud.front_door import ROUTE_PATH
from local_cloud.kept_lines import KEPT_LINES_NAME, kept_lines
from local_cloud.log_lines import readable
from local_cloud.processes import CloudError, Lock, Processes, check_port, free_port
from tests.conftest import LogLines, make_cloud


def test_a_second_cloud_in_the_same_folder_is_refused(cloud: LocalCloud) -> None:
    with pytest.raises(CloudError, match=rf"running in this folder already \(process {os.getpid()}\)"):
        make_cloud(cloud.state, LogLines()).__enter__()


def test_a_busy_port_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CloudError, match=rf"port {port} is in use .* make up PORT={port + 1}"):
            check_port(port, variable="PORT")


def test_a_lock_whose_holder_was_killed_is_free(tmp_path: Path) -> None:
    code = "import sys, time, pathlib; from local_cloud.processes import Lock; lock = Lock(pathlib.Path(sys.argv[1])); "
    code += "print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CloudError, match=f"process {holder.pid}"):
        Lock(tmp_path)
    holder.kill()
    holder.wait()
    Lock(tmp_path).release()


def test_what_a_killed_cloud_left_running_is_ended(tmp_path: Path) -> None:
    left = Processes(tmp_path).start(
        "worker", [sys.executable, "-c", "import time; time.sleep(60)"], {}, subprocess.PIPE
    )
    assert Processes(tmp_path).end_leftovers() == ["worker"]
    assert not psutil.pid_exists(left.pid)
    assert Processes(tmp_path).end_leftovers() == []


def test_make_up_says_how_to_use_it_and_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    port, aws_port = free_port(), free_port()
    command = [sys.executable, "-m", "local_cloud", "--port", str(port), "--aws-port", str(aws_port)]
    up = subprocess.Popen(
        [*command, "--state", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert up.stdout is not None
    lines: list[str] = []
    for line in up.stdout:
        lines.append(line)
        if "Ctrl-C ends it" in line:
            break
    output = "".join(lines)
    assert f"curl -si http://localhost:{port}/v1/generations -H 'x-api-key: " in output, output
    family = psutil.Process(up.pid).children(recursive=True)
    assert len(family) >= 2
    up.send_signal(signal.SIGINT)
    up.stdout.read()
    assert up.wait(120) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    for freed in (port, aws_port):
        check_port(freed, variable="PORT")
    kept = kept_lines(tmp_path / KEPT_LINES_NAME)
    assert any('"worker_ready"' in line.message for line in kept if line.log_group == "/ecs/gameforge-sdxl-gpu")


def test_the_front_door_asks_for_patience_until_the_api_is_deployed(tmp_path: Path) -> None:
    import httpx

    api_port, aws_port = free_port(), free_port()
    arguments = ["--aws-port", str(aws_port), "--api-port", str(api_port), "--state", str(tmp_path)]
    emulator = subprocess.Popen([sys.executable, "-m", "local_cloud.emulator", *arguments], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                response = httpx.get(f"http://127.0.0.1:{api_port}/v1/generations/x", timeout=60)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert (response.status_code, response.json()["type"]) == (503, "urn:gameforge:problem:starting")
        assert httpx.get(f"http://127.0.0.1:{api_port}{ROUTE_PATH}", timeout=60).status_code == 503
    finally:
        emulator.terminate()
        emulator.wait(60)


def test_a_log_line_reads_well() -> None:
    line = '{"level":"INFO","message":"Started attempt 1","timestamp":"2026-11-23T20:53:02.023+00:00",'
    line += '"service":"worker","event":"job_started","job_id":"0123456789abcdef","device":"cpu"}'
    text = readable(line)
    assert text is not None
    assert text.endswith("worker  job_started     Started attempt 1  job=01234567  device=cpu")
    metrics = '"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"Images"}]}]},"Images":[1]}'
    assert readable(f"{line[:-1]},{metrics}") == text
    assert readable(f'{{"service":"worker",{metrics}') is None
    assert readable("[1, 2]") == "[1, 2]"
    assert readable("Traceback (most recent call last):") == "Traceback (most recent call last):"
    assert readable("END RequestId: 61f3a91e-e6b9-4437-8738-f403d1828851") is None
