"""Two minutes of the laptop cloud: jobs of two keys that end in every way there is, and all that was logged."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from insights import LogLine, Result, parse, run
from jobs import names
from jobs.job import Job, Status
from jobs.keys import KeyStore, Limits
from jobs.store import JobStore
from local_cloud.cloud import LocalCloud
from local_cloud.deployment import Deployment
from local_cloud.processes import free_port
from stacks.saved_queries.saved_query import API, JOB_ID_TOKEN, SWEEP, WEBHOOKS, WORKER, SavedQuery
from tests.conftest import LEASE_SECONDS, LogLines
from tests.polling import post, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = "gameforge"
# Other tests may have the machine's cores.
SLOW_SECONDS = 300.0
GPU_WORKER_ID = "a-gpu-worker"
# A second or more of work on any machine, to be caught in the middle.
LONG: Any = {"prompt": "a red gem", "num_inference_steps": 100}
# Seconds of it, however fast the machine is.
DAWDLING: Any = {"prompt": "a dawdling gem", "num_inference_steps": 4}
ENOUGH = Limits(requests_per_minute=10**6, unfinished_jobs=1000, pixel_steps_per_day=10**15)


class FaultyWorker(Deployment):
    """Deploys as ever; the worker's process does what a prompt says."""

    def worker_environment(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super().worker_environment()
        assert command[-1] == "gpu_service"
        return [*command[:-1], "tests.worker.faulty_worker"], environment


@dataclass
class Scene:
    """What happened, by what the job table and the clients know; and the lines that were written meanwhile."""

    started: datetime
    jobs: dict[str, Job] = field(default_factory=dict)
    # By what was done with them.
    ids: dict[str, str] = field(default_factory=dict)
    # Answers by key, method and status.
    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    lines: list[LogLine] = field(default_factory=list)

    def ask(self, query: SavedQuery, job_id: str = "") -> list[dict[str, Any]]:
        """The query's rows over the lines of its own log groups."""
        groups = {group.replace("${Project}", PROJECT) for group in query.groups}
        text = query.text.replace(JOB_ID_TOKEN, job_id)
        lines = [line for line in self.lines if line.log_group in groups]
        found: Result = run(parse(text), lines, start=self.started, end=datetime.now(UTC) + timedelta(minutes=1))
        return [
            {name: value_of(name, cell) for name, cell in zip(found.columns, row, strict=True)} for row in found.rows
        ]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines that are JSON."""
        found = []
        for line in self.lines:
            try:
                found.append(json.loads(line.message))
            except ValueError:
                continue
        return [each for each in found if isinstance(each, dict)]

    def of(self, *statuses: Status) -> list[Job]:
        """The jobs that ended so."""
        return [job for job in self.jobs.values() if job.status in statuses]


def value_of(column: str, cell: Any) -> Any:
    """A field as it stands in the log is text, like all that CloudWatch answers."""
    is_number = isinstance(cell, str) and re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", cell)
    return float(cell) if is_number and not column.endswith("_id") else cell


@contextmanager
def instance_metadata(noticed: threading.Event) -> Iterator[str]:
    """EC2's instance metadata as far as spot notices go; the address."""

    class Metadata(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.answer(200, b"a token")

        def do_GET(self) -> None:
            self.answer(200, b'{"action": "terminate"}') if noticed.is_set() else self.answer(404, b"")

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Not into the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def client(cloud: LocalCloud, scene: Scene, name: str, key: str) -> Iterator[httpx.Client]:
    """A client that counts its answers."""

    def count(response: httpx.Response) -> None:
        scene.answers[(name, response.request.method, response.status_code)] += 1

    headers = {"x-api-key": key}
    with httpx.Client(base_url=cloud.url, headers=headers, timeout=40, event_hooks={"response": [count]}) as made:
        yield made


def play(cloud: LocalCloud, scene: Scene, log: LogLines, noticed: threading.Event) -> None:
    """Two keys and their jobs: made, failed, canceled, handed back, lost; and requests that are refused."""
    keys = KeyStore(cloud.deployment.client("dynamodb"), f"{PROJECT}-keys")
    artist_key = keys.create("artist", ENOUGH).key
    hasty_key = keys.create("hasty", Limits(requests_per_minute=1, unfinished_jobs=1, pixel_steps_per_day=10**9)).key
    with (
        client(cloud, scene, "local", cloud.key) as local,
        client(cloud, scene, "artist", artist_key) as artist,
        client(cloud, scene, "hasty", hasty_key) as hasty,
    ):
        ids = scene.ids

        def start(name: str, who: httpx.Client, request: dict[str, Any]) -> str:
            """A long job, when it runs."""
            ids[name] = job_id = str(post(who, **request)["id"])
            log.wait_for(event="job_started", job_id=job_id, timeout_seconds=SLOW_SECONDS)
            return job_id

        def ended(who: httpx.Client, job_id: str, status: str) -> None:
            wait_until(who, job_id, status, timeout_seconds=SLOW_SECONDS)

        for number in range(3):
            ids[f"local {number}"] = post(local, prompt="a red gem", num_images=number + 1, num_inference_steps=4)["id"]
        ids["artist"] = post(artist, prompt="a blue key", num_inference_steps=6)["id"]
        for name in ("local 0", "local 1", "local 2"):
            ended(local, ids[name], "succeeded")
        ended(artist, ids["artist"], "succeeded")
        ids["failed"] = post(artist, prompt="a faulty heart", num_inference_steps=3)["id"]
        ended(artist, ids["failed"], "failed")

        running = start("canceled while it ran", local, DAWDLING)
        assert local.post(f"/v1/generations/{running}/cancel").is_success
        ended(local, running, "canceled")

        handed_back = start("handed back", local, LONG)
        os.kill(cloud.worker_pid, signal.SIGTERM)
        log.wait_for(event="job_handed_back", job_id=handed_back, timeout_seconds=SLOW_SECONDS)
        # No worker takes it now: that one stops, and the next takes seconds to start.
        ids["canceled while it was queued"] = queued = post(artist, prompt="a key")["id"]
        assert artist.post(f"/v1/generations/{queued}/cancel").json()["status"] == "canceled"
        ended(local, handed_back, "succeeded")

        reclaimed = start("reclaimed", artist, DAWDLING)
        noticed.set()
        log.wait_for(event="job_handed_back", job_id=reclaimed, timeout_seconds=SLOW_SECONDS)
        noticed.clear()
        ended(artist, reclaimed, "succeeded")

        lost = start("lost", artist, LONG)
        os.kill(cloud.worker_pid, signal.SIGKILL)
        ended(artist, lost, "succeeded")

        for who in (local, local, artist):
            assert who.get("/v1/generations/no-such-job").status_code == 404
        assert artist.post("/v1/generations", json={"prompt": "a gem", "width": 65}).status_code == 422
        while hasty.get("/v1/models").status_code != 429:
            assert scene.answers[("hasty", "GET", 200)] < 5
        cloud.deployment.client("lambda").invoke(FunctionName=f"{PROJECT}-api-sweep", Payload=b"{}")


def written(cloud: LocalCloud, group: str) -> list[LogLine]:
    """The lines of a log group."""
    pages = cloud.deployment.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    events = [event for page in pages for event in page["events"]]
    return [LogLine(each["timestamp"], group, each.get("logStreamName", ""), each["message"]) for each in events]


def gpu_lines(cache: Path) -> list[LogLine]:
    """What only a worker with a GPU writes; see that module."""
    command = [sys.executable, "-m", "tests.observability.gpu_lines", str(cache), GPU_WORKER_ID]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    group = WORKER.replace("${Project}", PROJECT)
    now_ms = int(time.time() * 1000)
    return [LogLine(now_ms, group, "a gpu worker", line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    state = tmp_path_factory.mktemp("observed")
    noticed, log = threading.Event(), LogLines()
    with instance_metadata(noticed) as metadata:
        cloud = LocalCloud(
            api_port=free_port(),
            aws_port=free_port(),
            state=state,
            worker_environment={
                names.ENV_LEASE_SECONDS: str(LEASE_SECONDS),
                names.ENV_WATCH_SPOT_NOTICES: "true",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata,
                "PYTHONPATH": str(ROOT),
            },
            say=lambda text: None,
            on_log_line=log.add,
        )
        cloud.deployment = FaultyWorker(cloud.deployment.aws, cloud.deployment.build, cloud.deployment.say)
        seen = Scene(started=datetime.now(UTC))
        with cloud:
            play(cloud, seen, log, noticed)
            # Functions hand their lines on when they have answered.
            time.sleep(2)
            store = JobStore(cloud.deployment.client("dynamodb"), f"{PROJECT}-jobs")
            for job_id in seen.ids.values():
                job = store.get(job_id)
                assert job is not None
                seen.jobs[job_id] = job
            for group in (API, SWEEP, WEBHOOKS, WORKER):
                seen.lines += written(cloud, group.replace("${Project}", PROJECT))
    seen.lines += gpu_lines(state / "cache")
    return seen
