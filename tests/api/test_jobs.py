"""A job's whole life through the API: ordered, waiting, running, ended, listed, canceled, deleted."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs.job import JobError
from jobs.workers import Workers
from lambda_api.forecast import SNAPSHOT_SECONDS
from local_cloud.cloud import LocalCloud
from tests.api.conftest import PICTURE, Hand
from tests.polling import post

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]


@pytest.fixture(scope="module")
def stranger(api_cloud: LocalCloud) -> Call:
    """Calls the function as the gateway does for another caller whom the authorizer has let in."""
    function = api_cloud.deployment.client("lambda")

    def call(method: str, path: str, *, body: dict[str, Any] | None = None, **query: str) -> Answer:
        event = {
            "httpMethod": method,
            "path": path,
            "headers": {"content-type": "application/json"},
            "queryStringParameters": query,
            "body": json.dumps(body) if body else None,
            "requestContext": {
                "requestId": "r",
                "path": f"/live{path}",
                "authorizer": {"caller": "stranger"},
                "identity": {},
            },
        }
        answer = function.invoke(FunctionName="gameforge-api", Payload=json.dumps(event))
        response = json.loads(answer["Payload"].read())
        return response["statusCode"], json.loads(response["body"] or "{}")

    return call


def show(api: httpx.Client, job_id: str) -> dict[str, Any]:
    response = api.get(f"/v1/generations/{job_id}")
    assert response.status_code == 200, response.text
    job: dict[str, Any] = response.json()
    return job


def test_an_order_is_answered_at_once_with_the_job_and_where_to_ask_for_it(api: httpx.Client, hand: Hand) -> None:
    hand.clear()
    response = api.post("/v1/generations", json={"prompt": "a red gem", "num_images": 2})

    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/v1/generations/{job['id']}"
    assert int(response.headers["retry-after"]) >= 1
    assert (job["status"], job["images"], job["progress"], job["cost_dollars"]) == ("queued", [], None, None)
    assert hand.messages() == [{"job_id": job["id"], "correlation_id": job["correlation_id"]}]
    shown = show(api, job["id"])
    assert shown["queued_at"] is not None
    volatile = {"timings", "queued_at", "queue"}
    assert {k: v for k, v in shown.items() if k not in volatile} == {k: v for k, v in job.items() if k not in volatile}


def test_a_waiting_job_tells_its_place_and_a_wait_measured_on_the_last_jobs(api: httpx.Client, hand: Hand) -> None:
    hand.clear()
    for _ in range(3):
        hand.make(post(api, prompt="paced", num_inference_steps=10)["id"])
    # A function looks at the queue every two seconds.
    time.sleep(SNAPSHOT_SECONDS + 0.1)
    first = post(api, prompt="a red gem", num_inference_steps=10)
    second = post(api, prompt="a red gem", num_inference_steps=10)

    places = [job["queue"]["position"] for job in (first, second)]
    waits = [job["queue"]["expected_wait_seconds"] for job in (first, second)]
    assert places == [1, 2]
    assert 0 <= waits[0] <= waits[1]
    hand.make(first["id"])
    assert show(api, first["id"])["queue"] is None


def test_a_running_job_tells_its_step_and_an_ended_one_what_it_cost(api: httpx.Client, hand: Hand) -> None:
    job_id = post(api, prompt="a red gem", num_images=2, seed=0)["id"]
    lease = hand.start(job_id)
    hand.store.renew(lease, lease_seconds=60, step=5, total_steps=20, preview="AAAA")
    running = show(api, job_id)
    assert (running["status"], running["device"]) == ("running", "cpu")
    assert running["progress"] == {"step": 5, "total_steps": 20, "percent": 25, "preview": "AAAA"}

    hand.succeed(lease, count=2)
    ended = show(api, job_id)
    assert (ended["status"], ended["progress"], len(ended["images"])) == ("succeeded", None, 2)
    timings = ended["timings"]
    assert timings["total_seconds"] == pytest.approx(timings["queued_seconds"] + timings["running_seconds"], abs=0.01)
    assert (timings["generate_seconds"], timings["store_seconds"]) == (8, 0.25)
    assert (ended["instance_type"], ended["device_seconds"], ended["cost_dollars"]) == ("g4dn.xlarge", 2, 0.00029222)


def test_a_failed_job_tells_a_code_and_a_cause(api: httpx.Client, hand: Hand) -> None:
    job_id = post(api, prompt="a red gem")["id"]
    hand.store.fail(hand.start(job_id), JobError(code="out_of_memory", message="The device had too little memory."))
    ended = show(api, job_id)
    assert ended["status"] == "failed"
    assert ended["error"] == {"code": "out_of_memory", "message": "The device had too little memory."}


def test_a_picture_is_a_redirect_to_where_it_is(api: httpx.Client, hand: Hand) -> None:
    job_id = post(api, prompt="a red gem")["id"]
    before = api.get(f"/v1/generations/{job_id}/images/0")
    assert (before.status_code, before.json()["type"]) == (404, "urn:gameforge:problem:image-not-found")
    hand.make(job_id)

    response = api.get(f"/v1/generations/{job_id}/images/0")
    assert response.status_code == 302
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in response.headers["location"]
    assert httpx.get(response.headers["location"]).content == PICTURE
    for index in ("1", "-1", "x", "99999999999999999999", "²"):
        assert api.get(f"/v1/generations/{job_id}/images/{index}").status_code == 404


def test_jobs_are_listed_newest_first_page_by_page(api: httpx.Client, hand: Hand) -> None:
    hand.clear()
    made = [post(api, prompt=f"gem {n}")["id"] for n in range(7)]
    hand.make(made[2])

    seen: list[str] = []
    cursor = None
    while len(seen) < len(made):
        page = api.get("/v1/generations", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["items"]) == 3
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
    assert seen[:7] == made[::-1]

    queued = api.get("/v1/generations", params={"status": "queued"}).json()
    assert [job["id"] for job in queued["items"]] == [job_id for job_id in made[::-1] if job_id != made[2]]
    assert queued["next_cursor"] is None
    some = api.get("/v1/generations", params={"status": "queued", "limit": 4}).json()
    rest = api.get("/v1/generations", params={"status": "queued", "cursor": some["next_cursor"]}).json()
    assert [job["id"] for job in some["items"] + rest["items"]] == [job["id"] for job in queued["items"]]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("status", "lost"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "x"),
        ("cursor", "x"),
        ("cursor", "W10"),
        ("x", "1"),
    ],
)
def test_a_wrong_list_parameter_is_named(api: httpx.Client, parameter: str, value: str) -> None:
    response = api.get("/v1/generations", params={parameter: value})
    assert (response.status_code, response.json()["type"]) == (422, "urn:gameforge:problem:invalid-request")
    assert [error["field"] for error in response.json()["errors"]] == [parameter]


def test_a_waiting_job_is_canceled_at_once_and_never_runs(api: httpx.Client, hand: Hand) -> None:
    job_id = post(api, prompt="a red gem")["id"]
    response = api.post(f"/v1/generations/{job_id}/cancel")
    assert (response.status_code, response.json()["status"]) == (200, "canceled")
    assert api.post(f"/v1/generations/{job_id}/cancel").status_code == 200
    with pytest.raises(AssertionError):
        hand.start(job_id)


def test_a_running_jobs_worker_is_asked_to_stop(api: httpx.Client, hand: Hand) -> None:
    job_id = post(api, prompt="a red gem")["id"]
    hand.start(job_id)
    response = api.post(f"/v1/generations/{job_id}/cancel")
    assert response.status_code == 202
    assert (response.json()["status"], response.json()["cancel_requested"]) == ("running", True)
    asked = hand.store.get(job_id)
    assert asked is not None
    assert asked.cancel_requested


def test_an_ended_job_cannot_be_canceled(api: httpx.Client, hand: Hand) -> None:
    job_id = post(api, prompt="a red gem")["id"]
    hand.make(job_id)
    response = api.post(f"/v1/generations/{job_id}/cancel")
    assert (response.status_code, response.json()["type"]) == (409, "urn:gameforge:problem:job-ended")


def test_a_deleted_job_leaves_neither_record_nor_picture(api: httpx.Client, hand: Hand) -> None:
    job_id = post(api, prompt="a red gem")["id"]
    lease = hand.start(job_id)
    response = api.delete(f"/v1/generations/{job_id}")
    assert (response.status_code, response.json()["type"]) == (409, "urn:gameforge:problem:job-running")
    hand.succeed(lease, count=2)

    assert (api.delete(f"/v1/generations/{job_id}").status_code, hand.store.get(job_id)) == (204, None)
    assert hand.s3.list_objects_v2(Bucket=hand.bucket, Prefix=f"{job_id}/")["KeyCount"] == 0
    assert api.delete(f"/v1/generations/{job_id}").status_code == 404
    waiting = post(api, prompt="a red gem")["id"]
    assert api.delete(f"/v1/generations/{waiting}").status_code == 204


def test_another_callers_jobs_do_not_exist(api: httpx.Client, stranger: Call, hand: Hand) -> None:
    job_id = post(api, prompt="a red gem")["id"]
    post(api, prompt="a red gem")
    hand.make(job_id)
    url = f"/v1/generations/{job_id}"
    for method, path in (("GET", url), ("DELETE", url), ("POST", f"{url}/cancel"), ("GET", f"{url}/images/0")):
        status, problem = stranger(method, path)
        assert (status, problem["type"]) == (404, "urn:gameforge:problem:job-not-found")
    assert show(api, job_id)["id"] == job_id

    status, mine = stranger("POST", "/v1/generations", body={"prompt": "a blue gem"})
    assert status == 202
    assert [job["id"] for job in stranger("GET", "/v1/generations")[1]["items"]] == [mine["id"]]
    assert api.get(f"/v1/generations/{mine['id']}").status_code == 404
    # A cursor of someone else's pages leads to no job of theirs.
    cursor = api.get("/v1/generations", params={"limit": 1}).json()["next_cursor"]
    _, page = stranger("GET", "/v1/generations", cursor=cursor)
    assert {job["id"] for job in page["items"]} <= {mine["id"]}


def test_health_counts_the_queue_and_the_live_workers(api: httpx.Client, hand: Hand) -> None:
    hand.clear()
    assert api.get("/v1/health").json() == {
        "status": "ok",
        "queue_depth": 0,
        "oldest_job_seconds": None,
        "live_workers": 0,
        "workers": [],
    }
    post(api, prompt="a red gem")
    stuck = api.get("/v1/health").json()
    assert (stuck["status"], stuck["queue_depth"]) == ("degraded", 1)
    assert stuck["oldest_job_seconds"] > 0
    workers = Workers(hand.dynamodb, "gameforge-jobs")
    workers.announce("w1", device="cuda")
    busy = api.get("/v1/health").json()
    assert (busy["status"], busy["live_workers"], busy["workers"][0]["device"]) == ("ok", 1, "cuda")
    assert api.get("/v1/models").json()["items"] == [
        {"id": "tiny-sdxl", "default_width": 64, "default_height": 64, "live_workers": 1}
    ]
    workers.withdraw("w1")
    assert api.get("/v1/health").json()["live_workers"] == 0


def test_things_in_the_table_that_are_no_jobs_are_not_shown(api: httpx.Client, hand: Hand) -> None:
    Workers(hand.dynamodb, "gameforge-jobs").announce("w2", device="cpu")
    for name in ("worker%23w2", "worker#w2", "x" * 32, "..", "%00"):
        assert api.get(f"/v1/generations/{name}").status_code in (404, 400)
    Workers(hand.dynamodb, "gameforge-jobs").withdraw("w2")
