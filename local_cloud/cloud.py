"""The whole cloud on one machine: emulator, deployed stacks, worker; up in one call, down in another."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from jobs import names
from jobs.logs import Event
from local_cloud import BUILD, ROOT, STATE
from local_cloud.deployment import PROJECT, Deployment, emulated_aws
from local_cloud.front_door import ROUTE_PATH
from local_cloud.kept_lines import KEPT_LINES_NAME, LinesError, keep_lines, logs_client
from local_cloud.log_lines import GroupFollower, GroupWriter
from local_cloud.processes import HOST, CloudError, Lock, Processes, check_port

API_PORT_DEFAULT: Final = 8080
AWS_PORT_DEFAULT: Final = 4566
START_TIMEOUT_SECONDS: Final = 120.0
API_LOG_GROUP: Final = f"/aws/lambda/{PROJECT}-api"
WORKER_LOG_GROUP: Final = f"/ecs/{PROJECT}-sdxl-gpu"
# A worker that dies at once is not restarted faster than this.
RESTART_SECONDS: Final = 1.0


@dataclass
class LocalCloud:
    """A context manager: inside it, the API answers at `url` with `key`."""

    api_port: int = API_PORT_DEFAULT
    aws_port: int = AWS_PORT_DEFAULT
    state: Path = STATE
    keep: bool = False
    # More environment for the worker, as a changed task definition would give it.
    worker_environment: dict[str, str] = field(default_factory=dict)
    # Without one, jobs wait: for those who run them themselves.
    with_worker: bool = True
    say: Callable[[str], None] = print
    on_log_line: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        self.url = f"http://localhost:{self.api_port}"
        aws = emulated_aws(f"http://{HOST}:{self.aws_port}")
        self.environment = dict(aws.environment)
        self.deployment = Deployment(aws, BUILD, self.say)
        self.key = ""
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._lock = Lock(self.state)
        try:
            self._processes = Processes(self.state)
            if left := self._processes.end_leftovers():
                self.say(f"an earlier local cloud was killed; ended what it left running: {', '.join(left)}")
            check_port(self.api_port, variable="PORT")
            check_port(self.aws_port, variable="AWS_PORT")
        except BaseException:
            self._lock.release()
            raise
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything: the worker first, so that it can hand its job back to a queue that is still there."""
        self._stopping.set()
        self._processes.stop("worker", grace_seconds=30)
        for thread in self._threads:
            thread.join(timeout=5)
        if hasattr(self, "_follower"):
            self._follower.finish()
        if (self.state / "endpoint.json").exists():
            self._keep_lines()
        self._processes.stop_all()
        (self.state / "endpoint.json").unlink(missing_ok=True)
        self._lock.release()

    def _keep_lines(self) -> None:
        """What was logged outlives the emulator, for `gameforge logs`."""
        try:
            keep_lines(logs_client(self.environment["AWS_ENDPOINT_URL"]), self.state / KEPT_LINES_NAME)
        except (ClientError, BotoCoreError, LinesError) as error:
            self.say(f"the log lines could not be kept: {error}")

    def _start(self) -> None:
        data = self.state / "data"
        if not self.keep and data.exists():
            shutil.rmtree(data)
        data.mkdir(exist_ok=True)
        self._start_emulator(data)
        foundation = self.deployment.foundation()
        self.deployment.gpu_cluster()
        if self.with_worker:
            self._start_worker()
        self._follower = GroupFollower(self.deployment.client("logs"), API_LOG_GROUP, self.on_log_line)
        self._follower.start()
        api = self.deployment.api(foundation["ArtifactsBucketName"])
        self.key = api.key
        self.deployment.observability()
        route = json.dumps({"api_id": api.api_id, "stage": api.stage}).encode()
        request = urllib.request.Request(f"http://{HOST}:{self.api_port}{ROUTE_PATH}", route, method="PUT")
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - our own address
        endpoint = self.state / "endpoint.json"
        endpoint.touch(mode=0o600)
        endpoint.write_text(
            json.dumps({"url": self.url, "key": self.key, "aws_url": self.environment["AWS_ENDPOINT_URL"]})
        )
        if self.with_worker:
            self._wait_for_worker()

    def _start_emulator(self, data: Path) -> None:
        log = self.state / "emulator.log"
        command = [
            *(sys.executable, "-m", "local_cloud.emulator", "--state", str(data)),
            *("--aws-port", str(self.aws_port), "--api-port", str(self.api_port)),
            *(("--keep",) if self.keep else ()),
        ]
        with log.open("w") as output:
            process = self._processes.start("emulator", command, self.environment, output)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not _answers(f"http://{HOST}:{self.aws_port}/_ministack/ready"):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text().splitlines()[-15:])
                raise CloudError(f"the emulator did not start; the end of {log.relative_to(ROOT)}:\n{tail}")
            time.sleep(0.1)
        self.say(f"AWS emulator at http://{HOST}:{self.aws_port}")

    def _start_worker(self) -> None:
        stream = f"worker/{time.time_ns()}"
        writer = GroupWriter(self.deployment.client("logs"), WORKER_LOG_GROUP, stream)
        thread = threading.Thread(target=self._supervise_worker, args=(writer,), name="worker", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _supervise_worker(self, writer: GroupWriter) -> None:
        """Keep a worker running, as the ECS service does, and pass its lines on."""
        command, environment = self.deployment.worker_environment()
        laptop = {
            names.ENV_CACHE_DIRECTORY: str(BUILD / "cache"),
            # It takes both cores of a small machine for a minute, for a second a picture.
            names.ENV_COMPILE: os.environ.get(names.ENV_COMPILE, "off"),
            "PYTHONUNBUFFERED": "1",
        }
        environment = {**self.environment, **environment, **laptop, **self.worker_environment}
        while not self._stopping.is_set():
            process = self._processes.start("worker", command, environment, subprocess.PIPE)
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for line in filter(None, map(str.rstrip, process.stdout)):
                self.on_log_line(line)
                writer.write(line)
                if f'"{Event.WORKER_READY}"' in line:
                    self._ready.set()
            code = process.wait()
            if not self._stopping.wait(RESTART_SECONDS):
                self.say(f"the worker ended with exit code {code}; starting another one, as ECS does")

    def _wait_for_worker(self) -> None:
        if not self._ready.wait(START_TIMEOUT_SECONDS):
            raise CloudError(f"the worker did not become ready in {START_TIMEOUT_SECONDS:.0f} s; see the lines above")

    @property
    def emulator_pid(self) -> int:
        """The process of the AWS emulator; the functions are its children."""
        return self._processes.pid("emulator")

    @property
    def worker_pid(self) -> int:
        """The process that runs jobs at this moment."""
        return self._processes.pid("worker")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except OSError:
        return False
