"""`Idempotency-Key`: a request that is sent again makes no second job."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

from tests.api.conftest import Hand
from tests.polling import post


def order(api: httpx.Client, key: str, **request: object) -> httpx.Response:
    return api.post("/v1/generations", json=request, headers={"Idempotency-Key": key})


def test_a_request_sent_again_gives_the_same_job(api: httpx.Client, hand: Hand) -> None:
    hand.clear()
    key = uuid4().hex
    first, again = (order(api, key, prompt="a gem") for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["request"] == again.json()["request"]
    assert [message["job_id"] for message in hand.messages()] == [first.json()["id"]]


def test_a_repeat_of_an_order_whose_job_has_ended_is_answered_with_its_end(api: httpx.Client, hand: Hand) -> None:
    key = uuid4().hex
    job_id = order(api, key, prompt="a gem").json()["id"]
    hand.make(job_id)
    again = order(api, key, prompt="a gem")
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (200, job_id, "succeeded")
    assert again.headers["location"] == f"/v1/generations/{job_id}"
    assert "retry-after" not in again.headers


def test_the_same_key_with_another_request_is_refused(api: httpx.Client) -> None:
    key = uuid4().hex
    order(api, key, prompt="a gem")
    refused = order(api, key, prompt="a key")
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:gameforge:problem:idempotency-key-reused")


def test_sent_many_times_at_once_it_is_still_one_job(api: httpx.Client, hand: Hand) -> None:
    hand.clear()
    key = uuid4().hex
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: order(api, key, prompt="a gem"), range(16)))
    statuses = {response.status_code for response in responses}
    assert statuses <= {202, 409}
    assert 202 in statuses
    assert all("retry-after" in response.headers for response in responses)
    assert len({response.json()["id"] for response in responses if response.status_code == 202}) == 1
    assert len({message["job_id"] for message in hand.messages()}) == 1


def test_a_key_stays_with_its_job_also_when_that_is_gone(api: httpx.Client) -> None:
    key = uuid4().hex
    job_id = order(api, key, prompt="a gem").json()["id"]
    assert api.delete(f"/v1/generations/{job_id}").status_code == 204
    spent = order(api, key, prompt="a gem")
    assert (spent.status_code, spent.json()["type"]) == (409, "urn:gameforge:problem:idempotency-key-spent")


def test_a_key_that_is_no_key_is_refused(api: httpx.Client) -> None:
    for key in ("", "a b", "x" * 256):
        refused = order(api, key, prompt="a gem")
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:gameforge:problem:invalid-header")


def test_without_a_key_each_request_is_a_job_of_its_own(api: httpx.Client) -> None:
    assert post(api, prompt="a gem")["id"] != post(api, prompt="a gem")["id"]
