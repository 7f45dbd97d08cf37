"""What the API writes into its log: one JSON line an event, with what an operator asks for, and no prompts."""

import httpx
import pytest

from jobs import names
from local_cloud.cloud import LocalCloud
from tests.api.conftest import function_environment
from tests.conftest import LogLines


def test_a_request_is_one_line_with_its_metrics(api: httpx.Client, api_log: LogLines) -> None:
    response = api.get("/v1/generations/nothing")
    line = api_log.wait_for(event="request", correlation_id=response.headers["x-correlation-id"])
    assert (line["service"], line["method"], line["status"]) == ("api", "GET", 404)
    assert line["route"] == "/v1/generations/{job_id}"
    assert line["duration_ms"] > 0
    assert line["cold_start"] in (True, False)
    assert line["caller"]
    (metrics,) = line["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "GameForge"
    assert {metric["Name"] for metric in metrics["Metrics"]} == {"Requests", "ClientErrors", "ServerErrors", "Latency"}
    assert [set(dimensions) for dimensions in metrics["Dimensions"]] == [{"project", "service"}]
    assert (line["Requests"], line["ClientErrors"], line["ServerErrors"]) == ([1], [1], [0])
    assert line["project"] == "gameforge"
    assert line["error_code"] == "job-not-found"


def test_a_request_that_went_well_has_no_error_and_an_open_one_no_caller(api: httpx.Client, api_log: LogLines) -> None:
    api.get("/v1/generations/nothing")
    well = api.get("/v1/models")
    opened = api.get("/openapi.json")
    line = api_log.wait_for(event="request", correlation_id=well.headers["x-correlation-id"])
    assert (line["status"], "error_code" in line) == (200, False)
    line = api_log.wait_for(event="request", correlation_id=opened.headers["x-correlation-id"])
    assert (line["status"], line["caller"]) == (200, "none")


def test_a_job_that_is_canceled_before_a_worker_has_it_has_an_end_line(api: httpx.Client, api_log: LogLines) -> None:
    job = api.post("/v1/generations", json={"prompt": "a gem"}).json()
    accepted = api_log.wait_for(event="job_accepted", job_id=job["id"])
    assert (accepted["JobsAccepted"], accepted["pixel_steps"]) == ([1], job["request"]["width"] ** 2 * 25)
    for _ in range(2):
        assert api.post(f"/v1/generations/{job['id']}/cancel").status_code == 200
    end = api_log.wait_for(event="job_canceled", job_id=job["id"])
    # Of the request that made the job, not of the one that canceled it.
    assert end["correlation_id"] == job["correlation_id"]
    assert (end["device_seconds"], end["cost_dollars"], end["images"], end["attempts"]) == (0, 0, 0, 0)
    assert end["total_seconds"] == end["queue_wait_seconds"] > 0
    assert end["caller"] == accepted["caller"]
    api_log.wait_for(event="job_cancel_requested", job_id=job["id"])
    assert sum(line.get("event") == "job_canceled" and line["job_id"] == job["id"] for line in api_log.lines) == 1


def test_latency_does_not_count_a_wait_that_the_client_asked_for(api: httpx.Client, api_log: LogLines) -> None:
    waited = api.post("/v1/generations", json={"prompt": "a gem"}, headers={"Prefer": "wait=1"})
    line = api_log.wait_for(event="request", correlation_id=waited.headers["x-correlation-id"])
    assert 900 <= line["waited_ms"] <= line["duration_ms"]
    assert line["Latency"] == [pytest.approx(line["duration_ms"] - line["waited_ms"], abs=0.2)]
    job = api.get(waited.headers["location"])
    assert api_log.wait_for(event="request", correlation_id=job.headers["x-correlation-id"])["waited_ms"] == 0


def test_prompts_are_logged_only_when_a_parameter_says_so(
    api_cloud: LocalCloud, api: httpx.Client, api_log: LogLines
) -> None:
    quiet = api.post("/v1/generations", json={"prompt": "a secret gem"}).json()
    line = api_log.wait_for(event="job_accepted", job_id=quiet["id"])
    assert "secret" not in str(line)
    assert (line["num_images"], line["correlation_id"]) == (1, quiet["correlation_id"])
    with function_environment(api_cloud, **{names.ENV_LOG_PROMPTS: "true"}):
        told = api.post("/v1/generations", json={"prompt": "an open gem"}).json()
    assert api_log.wait_for(event="job_accepted", job_id=told["id"])["prompt"] == "an open gem"
