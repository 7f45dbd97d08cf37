"""`Prefer: wait=N`: an answer that is held until the job ends, but never longer than asked."""

import threading
import time

import httpx

from tests.api.conftest import Hand, in_background
from tests.polling import post


def end_next_job(hand: Hand, ready: threading.Event) -> None:
    ready.wait()
    while not (messages := hand.messages()):
        time.sleep(0.05)
    hand.make(messages[0]["job_id"])


def test_an_order_that_waits_is_answered_when_its_job_ends(api: httpx.Client, hand: Hand) -> None:
    hand.clear()
    ready = threading.Event()
    with in_background(end_next_job, hand, ready):
        ready.set()
        response = api.post("/v1/generations", json={"prompt": "a gem"}, headers={"Prefer": "wait=20"})
    assert (response.status_code, response.json()["status"]) == (200, "succeeded")
    assert response.headers["preference-applied"] == "wait=20"
    assert "retry-after" not in response.headers


def test_a_question_that_waits_is_answered_when_the_job_ends(api: httpx.Client, hand: Hand) -> None:
    hand.clear()
    job_id = post(api, prompt="a gem")["id"]
    ready = threading.Event()
    with in_background(end_next_job, hand, ready):
        ready.set()
        response = api.get(f"/v1/generations/{job_id}", headers={"Prefer": "respond-async, wait=20"})
    assert (response.status_code, response.json()["status"]) == (200, "succeeded")


def test_a_wait_that_runs_out_shows_the_job_as_it_stands(api: httpx.Client) -> None:
    response = api.post("/v1/generations", json={"prompt": "a gem"}, headers={"Prefer": "wait=1"})
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    assert response.headers["preference-applied"] == "wait=1"
    assert response.headers["retry-after"]
    response = api.get(response.headers["location"], headers={"Prefer": "wait=1"})
    assert (response.status_code, response.json()["status"]) == (200, "queued")


def test_no_wait_is_longer_than_the_gateway_lets_it_be(api: httpx.Client, hand: Hand) -> None:
    job_id = post(api, prompt="a gem")["id"]
    hand.make(job_id)
    for prefer in ("wait=600", "Wait=99999999999", 'wait="26"'):
        response = api.get(f"/v1/generations/{job_id}", headers={"Prefer": prefer})
        assert response.headers["preference-applied"] == "wait=25"


def test_preferences_that_are_not_understood_are_ignored(api: httpx.Client) -> None:
    job_id = post(api, prompt="a gem")["id"]
    for prefer in ("wait", "wait=-1", "wait=soon", "handling=lenient", "await=9"):
        response = api.get(f"/v1/generations/{job_id}", headers={"Prefer": prefer})
        assert response.status_code == 200
        assert "preference-applied" not in response.headers
