"""The thread through the whole system: a prompt goes in at the API, and a picture of it comes out."""

import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

from gameforge import logs_command
from gameforge.cli import app
from local_cloud.cloud import LocalCloud
from tests.conftest import LogLines
from tests.polling import post, wait_until
from tiny_sdxl.judge import judge


@pytest.mark.parametrize(("colour", "thing"), [("red", "heart"), ("blue", "gem")])
def test_a_prompt_becomes_a_picture_of_it(api: httpx.Client, colour: str, thing: str) -> None:
    accepted = api.post("/v1/generations", json={"prompt": f"a {colour} {thing}", "num_images": 2, "seed": 11})

    assert accepted.status_code == 202
    assert accepted.headers["location"] == f"/v1/generations/{accepted.json()['id']}"
    job = wait_until(api, accepted.json()["id"], "succeeded")
    assert [image["seed"] for image in job["images"]] == [11, 12]
    for image in job["images"]:
        body = httpx.get(image["url"], timeout=60).content
        assert hashlib.sha256(body).hexdigest() == image["sha256"]
        picture = Image.open(io.BytesIO(body))
        assert (picture.format, picture.width, picture.height) == ("PNG", image["width"], image["height"])
        verdict = judge(picture)
        assert (verdict.colour, verdict.thing) == (colour, thing)
    assert job["created_at"] <= job["queued_at"] <= job["started_at"] <= job["finished_at"]
    assert (job["attempts"], job["error"], job["device"]) == (1, None, "cpu")


def test_the_same_request_and_seed_give_the_same_picture(api: httpx.Client) -> None:
    jobs = [post(api, prompt="a green key", seed=5, num_inference_steps=6) for _ in range(2)]
    first, second = (wait_until(api, job["id"], "succeeded")["images"][0]["sha256"] for job in jobs)
    assert first == second


def test_a_seed_left_out_is_drawn_and_told(api: httpx.Client) -> None:
    seeds = {post(api, prompt="a key", num_inference_steps=1)["request"]["seed"] for _ in range(3)}
    assert len(seeds) == 3


def test_the_size_asked_for_is_the_size_made(api: httpx.Client) -> None:
    job = post(api, prompt="a purple sword", width=96, height=64, num_inference_steps=4)
    image = wait_until(api, job["id"], "succeeded")["images"][0]
    picture = Image.open(io.BytesIO(httpx.get(image["url"], timeout=60).content))
    assert picture.size == (96, 64)


def test_one_correlation_id_runs_from_the_request_to_the_worker(api: httpx.Client, log: LogLines) -> None:
    response = api.post("/v1/generations", json={"prompt": "a red gem", "num_inference_steps": 2})
    job_id, correlation_id = response.json()["id"], response.headers["x-correlation-id"]
    wait_until(api, job_id, "succeeded")

    for service, event in (("api", "job_accepted"), ("worker", "job_started"), ("worker", "job_succeeded")):
        line = log.wait_for(service=service, event=event, job_id=job_id)
        assert line["correlation_id"] == correlation_id


def test_the_workers_lines_reach_its_log_group(api: httpx.Client, cloud: LocalCloud) -> None:
    job = post(api, prompt="a red gem", num_inference_steps=1)
    wait_until(api, job["id"], "succeeded")
    logs = cloud.deployment.client("logs")
    found = logs.filter_log_events(logGroupName="/ecs/gameforge-sdxl-gpu", filterPattern="job_started")
    assert any(job["id"] in event["message"] for event in found["events"])


def test_the_command_line_writes_the_pictures(cloud: LocalCloud, tmp_path: Path) -> None:
    arguments = ["generate", "a red potion", "-n", "2", "--steps", "4", "--output", str(tmp_path)]
    where = ["--url", cloud.url, "--key", cloud.key]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("gameforge")), *arguments, *where], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.glob("a-red-potion-*.png"))
    assert len(files) == 2
    assert all(Image.open(file).size == (64, 64) and file.name in done.stdout for file in files)


def test_the_command_line_says_what_is_wrong(cloud: LocalCloud) -> None:
    gameforge = str(Path(sys.executable).with_name("gameforge"))
    where = ["--url", cloud.url, "--key", cloud.key]
    done = subprocess.run([gameforge, "generate", "x", "--width", "65", *where], capture_output=True, text=True)
    assert done.returncode == 1
    assert "width" in done.stderr
    assert "multiple of 8" in done.stderr


def test_every_saved_query_runs_over_the_laptop_clouds_logs(
    api: httpx.Client, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = post(api, prompt="a blue key", num_inference_steps=1)
    wait_until(api, job["id"], "succeeded")
    monkeypatch.setattr(logs_command, "STATES", (cloud.state,))

    def logs(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["logs", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    names = re.findall(r"^([a-z]+/[a-z-]+) ", logs(), re.MULTILINE)
    assert {"jobs/story", "jobs/slowest", "api/errors"} <= set(names)
    ran = logs("--all")
    assert re.findall(r"^([a-z]+/[a-z-]+) ", ran, re.MULTILINE) == names
    assert "skipped" not in ran
    seconds = [float(row["total_seconds"]) for row in json.loads(logs("slowest", "--format", "json"))]
    assert seconds
    assert seconds == sorted(seconds, reverse=True)
    story = logs("job", job["id"])
    assert story.startswith(f"job {job['id']}\n")
    assert [word for word in ("Accepted", "POST", "Received", "Started", "Made") if word not in story] == []
    assert "from being accepted to its end" in story


def test_health_knows_the_worker_that_runs(api: httpx.Client) -> None:
    health = api.get("/v1/health").json()
    assert (health["status"], health["live_workers"]) == ("ok", 1)
    assert [worker["device"] for worker in health["workers"]] == ["cpu"]
