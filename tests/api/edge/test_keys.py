"""Keys: who gets in, who sees what, and how much of it."""

import base64
import time
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from gameforge import keys as key_commands
from gameforge.cli import app
from jobs.keys import SECRET_SHA256, KeyNameError, KeyStore, Limits
from lambda_api.authorizer import REMEMBERED_SECONDS, presented_key
from local_cloud.cloud import LocalCloud
from tests.api.conftest import Hand
from tests.api.edge.conftest import Connect, MakeKey
from tests.conftest import LogLines
from tests.polling import post


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_key_opens_the_api_in_three_ways(api_cloud: LocalCloud, make_key: MakeKey) -> None:
    key = make_key().key
    for headers in (
        {"x-api-key": key},
        {"Authorization": f"Bearer {key}"},
        {"authorization": f"bearer {key}"},
        {"Authorization": basic("anybody", key)},
        {"Authorization": basic("", key)},
    ):
        response = httpx.get(f"{api_cloud.url}/v1/models", headers=headers, timeout=40)
        assert response.status_code == 200, (headers, response.text)


def test_anything_else_is_a_401_that_says_what_would_be_right(api_cloud: LocalCloud, make_key: MakeKey) -> None:
    key = make_key().key
    for headers in (
        {},
        {"x-api-key": "gf_nobody_" + "x" * 43},
        {"x-api-key": key[:-1] + ("A" if key[-1] != "A" else "B")},
        {"Authorization": basic(key, "")},
    ):
        response = httpx.get(f"{api_cloud.url}/v1/models", headers=headers, timeout=40)
        assert response.status_code == 401, (headers, response.text)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["type"] == "urn:gameforge:problem:key-required"


def test_the_table_holds_no_key(api_cloud: LocalCloud, make_key: MakeKey) -> None:
    key = make_key().key
    items = api_cloud.deployment.client("dynamodb").scan(TableName="gameforge-keys")["Items"]
    assert key.rpartition("_")[2] not in str(items)
    assert all(len(item[SECRET_SHA256]["S"]) == 64 for item in items)


def test_a_revoked_key_opens_nothing(api_cloud: LocalCloud, keys: KeyStore, connect: Connect) -> None:
    key = keys.create("short-lived").key
    with connect(key) as api:
        assert api.get("/v1/models").status_code == 200
        keys.revoke("short-lived")
        deadline = time.monotonic() + REMEMBERED_SECONDS + 5
        while api.get("/v1/models").status_code == 200:
            assert time.monotonic() < deadline, "the key still opens the API"
            time.sleep(0.5)
        assert api.get("/v1/models").status_code == 401
    # Its name is free again, and the new key works at once.
    with connect(keys.create("short-lived").key) as api:
        assert api.get("/v1/models").status_code == 200


def test_a_name_is_one_keys_alone(keys: KeyStore) -> None:
    keys.create("taken")
    with pytest.raises(KeyNameError, match="already"):
        keys.create("taken")
    for name in ("", "Upper", "under_score", "-dash", "x" * 41):
        with pytest.raises(KeyNameError, match="can't be"):
            keys.create(name)
    with pytest.raises(KeyNameError, match="no key"):
        keys.revoke("never-made")


def test_a_job_is_visible_to_the_key_that_made_it_alone(make_key: MakeKey, connect: Connect) -> None:
    with connect(make_key().key) as mine, connect(make_key().key) as other:
        job = post(mine, prompt="a red gem")
        path = f"/v1/generations/{job['id']}"
        assert mine.get(path).status_code == 200
        for response in (other.get(path), other.post(f"{path}/cancel"), other.delete(path)):
            assert response.status_code == 404
            assert response.json()["type"] == "urn:gameforge:problem:job-not-found"
        assert [item["id"] for item in mine.get("/v1/generations").json()["items"]] == [job["id"]]
        assert other.get("/v1/generations").json()["items"] == []


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    return response.status_code, response.json()["type"].rpartition(":")[2]


def test_requests_a_minute_are_limited(make_key: MakeKey, connect: Connect) -> None:
    with connect(make_key(Limits(requests_per_minute=5)).key) as api:
        # Two minutes may share these: the limit is of a minute by the clock.
        answers = [api.get("/v1/models") for _ in range(11)]
    refused = [response for response in answers if response.status_code != 200]
    assert refused
    assert {refusal(response) for response in refused} == {(429, "request-limit")}
    assert len(answers) - len(refused) in range(5, 11)


def test_unfinished_jobs_are_limited_and_ended_ones_are_not_counted(
    make_key: MakeKey, connect: Connect, hand: Hand
) -> None:
    order = {"prompt": "a blue shield"}
    with connect(make_key(Limits(unfinished_jobs=2)).key) as api:
        made, canceled = post(api, **order), post(api, **order)
        assert refusal(api.post("/v1/generations", json=order)) == (429, "unfinished-jobs-limit")
        lease = hand.start(made["id"])
        assert refusal(api.post("/v1/generations", json=order)) == (429, "unfinished-jobs-limit")
        hand.succeed(lease)
        api.post(f"/v1/generations/{canceled['id']}/cancel")
        for _ in range(2):
            post(api, **order)
        assert refusal(api.post("/v1/generations", json=order)) == (429, "unfinished-jobs-limit")


def test_pixel_steps_a_day_are_limited(make_key: MakeKey, connect: Connect) -> None:
    order: dict[str, Any] = {"prompt": "a gem", "width": 64, "height": 64, "num_inference_steps": 2}
    with connect(make_key(Limits(pixel_steps_per_day=64 * 64 * 5)).key) as api:
        too_large = api.post("/v1/generations", json={**order, "num_images": 3})
        assert too_large.status_code == 422
        assert f"{64 * 64 * 5:,} a day" in too_large.json()["detail"]
        for _ in range(2):
            post(api, **order)
        assert refusal(api.post("/v1/generations", json=order)) == (429, "pixel-steps-limit")
        # One of the five is left.
        post(api, **{**order, "num_inference_steps": 1})


def test_a_repeated_request_is_counted_once(make_key: MakeKey, connect: Connect) -> None:
    order = {"prompt": "a gem", "width": 64, "height": 64, "num_inference_steps": 1}
    headers = {"Idempotency-Key": "one-and-the-same"}
    with connect(make_key(Limits(pixel_steps_per_day=64 * 64)).key) as api:
        answers = [api.post("/v1/generations", json=order, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_the_callers_name_is_in_the_log(make_key: MakeKey, connect: Connect, api_log: LogLines) -> None:
    new = make_key()
    name = new.key.split("_")[1]
    with connect(new.key) as api:
        job = post(api, prompt="a gem", num_inference_steps=1)
        api_log.wait_for(event="job_accepted", job_id=job["id"], caller=name)
        # The emulator may hand on a function's last line with those of its next request.
        api.get("/v1/models")
    api_log.wait_for(event="request", caller=name, status=202)


def test_keys_are_made_listed_and_revoked_on_the_command_line(
    api_cloud: LocalCloud, keys: KeyStore, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_commands, "ENDPOINT_FILE", api_cloud.state / "endpoint.json")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["keys", *arguments, "--local"])
        assert result.exit_code == 0, result.output
        return result.stdout

    made = run("create", "artists", "--unfinished-jobs", "7")
    key = made.split()[1]
    assert made.split()[-1].startswith("whsec_")
    with connect(key) as api:
        assert api.get("/v1/models").status_code == 200
    line = next(line for line in run("list").splitlines() if line.startswith("artists "))
    assert line.split()[2] == "7"
    assert key not in run("list")
    run("revoke", "artists")
    assert keys.verify(key) is None
    again = CliRunner().invoke(app, ["keys", "revoke", "nobody", "--local"])
    assert (again.exit_code, "no key named nobody" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"X-Api-Key": "a", "Authorization": "Bearer b"}, "a"),
        ({"Authorization": "Bearer "}, None),
        ({"Authorization": "Digest a"}, None),
        ({"Authorization": "Basic ###"}, None),
        ({"Authorization": basic("", "a:b")}, "a:b"),
        ({}, None),
    ],
)
def test_where_a_key_may_stand(headers: dict[str, str], key: str | None) -> None:
    assert presented_key(headers) == key


def test_a_key_that_is_nearly_right_is_none(keys: KeyStore) -> None:
    key = keys.create("nearly").key
    assert keys.verify(key) is not None
    for wrong in (key + "x", key[:-1], key.upper(), f" {key}", "gf_nearly_", "gf_nearly", "not a key at all", "gf__x"):
        assert keys.verify(wrong) is None, wrong
