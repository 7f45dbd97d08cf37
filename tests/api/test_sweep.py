"""Accepted means written and queued: what falls between the two is put onto the queue by the sweep."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from jobs import names
from jobs.job import Job, Status, timestamp
from jobs.request import GenerationRequest
from jobs.workers import Workers
from local_cloud.cloud import LocalCloud
from tests.api.conftest import Hand, function_environment

# Nobody listens there.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def swept(api_cloud: LocalCloud, hand: Hand) -> Hand:
    hand.clear()
    sweep(api_cloud)
    hand.clear()
    return hand


def sweep(cloud: LocalCloud) -> int:
    """Invoke the deployed function as its schedule does."""
    answer = cloud.deployment.client("lambda").invoke(FunctionName="gameforge-api-sweep", Payload=b"{}")
    body = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return int(body["queued_again"])


def told(cloud: LocalCloud, since: datetime, **wanted: object) -> dict[str, Any]:
    """The sweep's line since then with all these fields."""
    since_ms = int(since.timestamp() * 1000)
    deadline = time.monotonic() + 30
    logs = cloud.deployment.client("logs")
    while time.monotonic() < deadline:
        group = "/aws/lambda/gameforge-api-sweep"
        for event in logs.filter_log_events(logGroupName=group, startTime=since_ms)["events"]:
            if event["message"].startswith("{"):
                line: dict[str, Any] = json.loads(event["message"])
                if {"event": "swept", **wanted}.items() <= line.items():
                    return line
        time.sleep(0.2)
    raise AssertionError(f"no line with {wanted}")


def written(hand: Hand, *, seconds_ago: float) -> Job:
    """A job as a function leaves it that is killed between its two writes."""
    job = Job(
        job_id=uuid4().hex,
        owner="someone",
        status=Status.QUEUED,
        correlation_id="c",
        request=GenerationRequest(prompt="a gem").complete(64),
        created_at=timestamp(datetime.now(UTC) - timedelta(seconds=seconds_ago)),
        expires_at=int(time.time()) + 600,
    )
    hand.store.create(job)
    return job


def test_a_job_that_was_written_and_not_queued_is_queued_once(api_cloud: LocalCloud, swept: Hand) -> None:
    job = written(swept, seconds_ago=40)
    assert sweep(api_cloud) == 1
    assert sweep(api_cloud) == 0
    assert swept.messages() == [{"job_id": job.job_id, "correlation_id": "c"}]
    shown = swept.store.get(job.job_id)
    assert shown is not None
    assert shown.queued_at is not None


def test_a_request_that_is_still_being_served_is_left_alone(api_cloud: LocalCloud, swept: Hand) -> None:
    written(swept, seconds_ago=5)
    assert sweep(api_cloud) == 0


def test_a_job_that_the_queue_refuses_is_accepted_and_queued_later(
    api_cloud: LocalCloud, api: httpx.Client, swept: Hand
) -> None:
    with function_environment(api_cloud, AWS_ENDPOINT_URL_SQS=NOWHERE):
        response = api.post("/v1/generations", json={"prompt": "a gem"})
    assert (response.status_code, response.json()["queued_at"]) == (202, None)
    assert swept.messages() == []
    age(swept, response.json()["id"])
    assert sweep(api_cloud) == 1
    assert [message["job_id"] for message in swept.messages()] == [response.json()["id"]]


def test_a_client_that_asks_again_with_its_key_gets_its_job_queued_at_once(
    api_cloud: LocalCloud, api: httpx.Client, swept: Hand
) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    with function_environment(api_cloud, AWS_ENDPOINT_URL_SQS=NOWHERE):
        first = api.post("/v1/generations", json={"prompt": "a gem"}, headers=headers)
    again = api.post("/v1/generations", json={"prompt": "a gem"}, headers=headers)
    assert again.json()["id"] == first.json()["id"]
    assert [message["job_id"] for message in swept.messages()] == [first.json()["id"]]


def test_a_job_whose_message_is_lost_is_queued_again(api_cloud: LocalCloud, api: httpx.Client, swept: Hand) -> None:
    job_id = api.post("/v1/generations", json={"prompt": "a gem"}).json()["id"]
    swept.messages()
    age(swept, job_id)
    assert sweep(api_cloud) == 1
    assert [message["job_id"] for message in swept.messages()] == [job_id]


def test_a_running_job_that_everyone_forgot_is_queued_again(
    api_cloud: LocalCloud, api: httpx.Client, swept: Hand
) -> None:
    job_id = api.post("/v1/generations", json={"prompt": "a gem"}).json()["id"]
    swept.messages()
    swept.store.start(job_id, lease_seconds=-700, queued_at=timestamp(), device="cpu")
    assert sweep(api_cloud) == 1
    assert sweep(api_cloud) == 0
    assert swept.store.start(job_id, lease_seconds=60, queued_at=timestamp(), device="cpu") is not None
    assert [message["job_id"] for message in swept.messages()] == [job_id]


def test_the_sweep_tells_how_queue_and_workers_stand(api_cloud: LocalCloud, api: httpx.Client, swept: Hand) -> None:
    workers = Workers(swept.dynamodb, "gameforge-jobs")
    job_id = api.post("/v1/generations", json={"prompt": "a gem"}).json()["id"]
    age(swept, job_id)
    since = datetime.now(UTC)
    sweep(api_cloud)
    alone = told(api_cloud, since, queue_depth=1, live_workers=0)
    assert (alone["backlog_without_worker"], alone["jobs"], alone["service"]) == (1, 0, "sweep")
    assert alone["oldest_job_seconds"] >= 60
    assert (alone["QueueDepth"], alone["BacklogWithoutWorker"], alone["LiveWorkers"]) == ([1], [1], [0])
    assert (alone["OldestJobSeconds"][0], alone["JobsQueuedAgain"], alone["project"]) == (
        pytest.approx(alone["oldest_job_seconds"], abs=0.001),
        [0],
        "gameforge",
    )
    workers.announce("w", device="cpu")
    try:
        sweep(api_cloud)
        assert told(api_cloud, since, live_workers=1)["backlog_without_worker"] == 0
    finally:
        workers.withdraw("w")


def test_the_sweep_is_on_a_schedule(api_cloud: LocalCloud) -> None:
    events = api_cloud.deployment.client("events")
    rule = events.describe_rule(Name="gameforge-api-sweep")
    assert (rule["State"], rule["ScheduleExpression"]) == ("ENABLED", "rate(1 minute)")
    (target,) = events.list_targets_by_rule(Rule="gameforge-api-sweep")["Targets"]
    function = api_cloud.deployment.client("lambda").get_function_configuration(FunctionName="gameforge-api-sweep")
    assert (target["Arn"], function["Handler"]) == (function["FunctionArn"], names.SWEEP_HANDLER)


def age(hand: Hand, job_id: str) -> None:
    """Make a job old enough for the sweep."""
    hand.dynamodb.update_item(
        TableName="gameforge-jobs",
        Key={names.JOB_ID: {"S": job_id}},
        UpdateExpression="SET created_at = :then",
        ExpressionAttributeValues={":then": {"S": timestamp(datetime.now(UTC) - timedelta(seconds=60))}},
    )
