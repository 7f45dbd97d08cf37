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
    assert (line["Requests"], line["ClientErrors"], line["ServerErrors"]) == ([1], [1], [0])


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
