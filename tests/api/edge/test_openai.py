"""OpenAI's own SDK, newest and 1.x, against the deployed API."""

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from jobs import names
from jobs.job import JobError
from jobs.keys import Limits
from local_cloud import BUILD, ROOT
from local_cloud.cloud import LocalCloud
from tests.api.conftest import Hand, function_environment
from tests.api.edge.conftest import Connect, MakeKey
from tests.conftest import LogLines

OLD = "1.109.1"
CLIENT = Path(__file__).with_name("openai_client.py")
HOLD_SECONDS = 1
PATH = "/openai/v1/images/generations"
SHORT: dict[str, Any] = {"prompt": "a red potion", "extra_body": {"num_inference_steps": 1, "seed": 7}}
# Several holds long on any machine.
LONG: dict[str, Any] = {
    "prompt": "a blue gem",
    "size": "128x128",
    "n": 2,
    "extra_body": {"num_inference_steps": 30, "seed": 11},
}


@pytest.fixture(scope="module")
def old_sdk() -> Path:
    """openai 1.x with what it needs beyond the newest one's needs, in a folder of its own."""
    target = BUILD / "clients" / f"openai-{OLD}"
    if not target.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
        subprocess.run([*command, f"openai=={OLD}", "distro"], check=True, timeout=120)
    return target


@pytest.fixture(scope="module", autouse=True)
def short_holds(cloud: LocalCloud, api_cloud: LocalCloud) -> Iterator[None]:
    hold = {names.ENV_HOLD_SECONDS: str(HOLD_SECONDS)}
    with function_environment(cloud, **hold), function_environment(api_cloud, **hold):
        yield


Ask = Callable[..., dict[str, Any]]


@pytest.fixture(params=["newest sync", "newest async", "1.x sync", "1.x async"])
def ask(request: pytest.FixtureRequest, cloud: LocalCloud, old_sdk: Path) -> Ask:
    """Calls the SDK as another program would."""
    sdk, mode = request.param.split()

    def call(key: str = cloud.key, fails: bool = False, **arguments: object) -> dict[str, Any]:
        asked = {"base_url": f"{cloud.url}/openai/v1", "api_key": key, "arguments": arguments}
        path = os.pathsep.join([str(old_sdk)] if sdk == "1.x" else [])
        done = subprocess.run(
            [sys.executable, str(CLIENT), mode],
            input=json.dumps(asked),
            env={**os.environ, "PYTHONPATH": path},
            cwd=ROOT / "build",
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        result: dict[str, Any] = json.loads(done.stdout)
        assert result["version"] == (OLD if sdk == "1.x" else version("openai"))
        assert bool("error" in result) == fails, result
        return result

    return call


def test_a_short_job_is_answered_with_urls(ask: Ask, cloud: LocalCloud) -> None:
    result = ask(**SHORT)
    assert result["models"] == ["tiny-sdxl"]
    (image,) = result["answer"]["data"]
    assert image["seed"] == 7
    with Image.open(io.BytesIO(httpx.get(image["url"]).content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (64, 64))


def test_a_job_longer_than_a_hold_is_answered_with_pictures(ask: Ask, cloud: LocalCloud, log: LogLines) -> None:
    result = ask(response_format="b64_json", model="tiny-sdxl", **LONG)
    files = [base64.b64decode(image["b64_json"]) for image in result["answer"]["data"]]
    for file in files:
        with Image.open(io.BytesIO(file)) as picture:
            assert picture.size == (128, 128)
    path = f"/v1/generations/{result['answer']['id']}"
    job = httpx.get(cloud.url + path, headers={"x-api-key": cloud.key}, timeout=40).json()
    assert job["timings"]["total_seconds"] > HOLD_SECONDS
    assert [hashlib.sha256(file).hexdigest() for file in files] == [image["sha256"] for image in job["images"]]
    assert [image["seed"] for image in result["answer"]["data"]] == [11, 12]
    # One request of the client, one job, and several holds.
    log.wait_for(event="request", route="/openai/v1/wait/{job_id}/{hop}", status=303)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ({"prompt": "x", "size": "65x64"}, 400, "width: Input should be a multiple of 8"),
        ({"prompt": "x", "n": 9}, 400, "n: Input should be less than or equal to 8"),
        ({"prompt": "x", "extra_body": {"stepz": 3}}, 400, "stepz: Extra inputs are not permitted"),
        ({"prompt": "x", "model": "dall-e-3"}, 404, "tiny-sdxl"),
    ],
)
def test_an_error_says_what_is_wrong(cloud: LocalCloud, arguments: dict[str, Any], status: int, message: str) -> None:
    with openai.OpenAI(base_url=f"{cloud.url}/openai/v1", api_key=cloud.key) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.images.generate(**arguments)
        assert caught.value.status_code == status
        assert message in caught.value.message


def test_a_wrong_key_is_an_authentication_error(ask: Ask) -> None:
    error = ask(key="gf_nobody_" + "x" * 43, fails=True, **SHORT)["error"]
    assert (error["kind"], error["status"]) == ("AuthenticationError", 401)


# From here on without a worker: when a job ends is the test's to say.


def order(api: httpx.Client, prompt: str, retry: int = 0) -> httpx.Response:
    """One request as the SDK makes it, without its patience."""
    return api.post(PATH, json={"prompt": prompt}, headers={"x-stainless-retry-count": str(retry)})


def job_of(response: httpx.Response) -> str:
    assert response.status_code == 303, response.text
    return response.headers["location"].split("/")[4]


def test_a_retried_request_finds_its_job_and_a_new_one_makes_another(api: httpx.Client, hand: Hand) -> None:
    first = order(api, "a green shield")
    retried = order(api, "a green shield", retry=1)
    assert job_of(retried) == job_of(first)
    assert job_of(order(api, "a green key", retry=1)) != job_of(first)
    hand.make(job_of(first))
    answer = api.get(first.headers["location"])
    assert (answer.status_code, answer.json()["id"]) == (200, job_of(first))
    # It has been answered: the same request is a new wish now.
    assert job_of(order(api, "a green shield", retry=2)) != job_of(first)


def test_the_same_request_made_anew_is_another_job(api: httpx.Client) -> None:
    assert job_of(order(api, "a twin")) != job_of(order(api, "a twin"))


def test_a_job_that_fails_while_it_is_held_is_an_error_that_is_not_tried_again(api: httpx.Client, hand: Hand) -> None:
    held = order(api, "a broken sword")
    hand.store.fail(hand.start(job_of(held)), JobError(code="generation_failed", message="no such colour"))
    answer = api.get(held.headers["location"])
    assert (answer.status_code, answer.headers["x-should-retry"]) == (500, "false")
    assert "no such colour" in answer.json()["error"]["message"]


def test_after_twenty_redirects_the_client_is_asked_to_come_again(api: httpx.Client) -> None:
    path, _, query = order(api, "a yellow sword").headers["location"].partition("?")
    last = api.get(f"{path.removesuffix('/1')}/20?{query}")
    assert (last.status_code, last.headers["retry-after"]) == (503, "1")
    assert last.json()["error"]["code"] == "still-running"
    assert api.get(f"{path.removesuffix('/1')}/x?{query}").status_code == 404


def test_another_key_does_not_see_a_hold(api: httpx.Client, make_key: MakeKey, connect: Connect) -> None:
    location = order(api, "a purple heart").headers["location"]
    with connect(make_key().key) as other:
        seen = other.get(location)
    assert (seen.status_code, seen.json()["error"]["code"]) == (404, "job-not-found")


def test_a_limit_of_the_day_is_not_tried_again(api_cloud: LocalCloud, make_key: MakeKey, connect: Connect) -> None:
    new = make_key(Limits(pixel_steps_per_day=64 * 64))
    request = {"width": 64, "height": 64, "num_inference_steps": 1}
    with connect(new.key) as native:
        assert native.post("/v1/generations", json={"prompt": "a gem", **request}).status_code == 202
    client = openai.OpenAI(base_url=f"{api_cloud.url}/openai/v1", api_key=new.key)
    with pytest.raises(openai.RateLimitError) as caught:
        client.images.generate(prompt="a gem", extra_body=request)
    assert caught.value.code == "pixel-steps-limit"
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"
