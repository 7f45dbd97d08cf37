"""AUTOMATIC1111's Python client, webuiapi, against the deployed API."""

import io
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import webuiapi
from PIL import Image

from jobs import names
from local_cloud.cloud import LocalCloud
from tests.api.conftest import Hand, function_environment, in_background
from tests.api.edge.conftest import Connect, MakeKey
from tests.conftest import LogLines
from tests.polling import post, wait_until

HOLD = {names.ENV_HOLD_SECONDS: "1"}


@pytest.fixture(scope="module", autouse=True)
def short_holds(cloud: LocalCloud) -> Iterator[None]:
    with function_environment(cloud, **HOLD):
        yield


def connect_with(cloud: LocalCloud, key: str) -> webuiapi.WebUIApi:
    where = urlsplit(cloud.url)
    client = webuiapi.WebUIApi(host=where.hostname, port=where.port, sampler="Euler", steps=2)
    client.set_auth("anybody", key)
    return client


def next_job(api: httpx.Client) -> str:
    """The id of this key's one waiting job, as soon as there is one."""
    deadline = time.monotonic() + 60
    while True:
        waiting = api.get("/v1/generations", params={"status": "queued"}).json()["items"]
        if len(waiting) == 1:
            return str(waiting[0]["id"])
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def webui(cloud: LocalCloud) -> webuiapi.WebUIApi:
    return connect_with(cloud, cloud.key)


def test_a_picture(webui: webuiapi.WebUIApi) -> None:
    result = webui.txt2img(prompt="a red potion", negative_prompt="dark", seed=5, width=64, height=64, n_iter=2)
    assert [image.size for image in result.images] == [(64, 64)] * 2
    assert isinstance(result.image, Image.Image)
    assert result.info["all_seeds"] == [5, 6]
    assert result.info["steps"] == 2


def test_the_same_picture_as_on_the_native_route(webui: webuiapi.WebUIApi, cloud: LocalCloud) -> None:
    result = webui.txt2img(
        prompt="a green gem", seed=9, width=64, height=64, steps=3, cfg_scale=5, sampler_name="Euler"
    )
    request: dict[str, Any] = {"prompt": "a green gem", "seed": 9, "width": 64, "height": 64, "num_inference_steps": 3}
    with httpx.Client(base_url=cloud.url, headers={"x-api-key": cloud.key}, timeout=40) as api:
        job = wait_until(api, post(api, scheduler="euler", **request)["id"])
    file = httpx.get(job["images"][0]["url"]).content
    with Image.open(io.BytesIO(file)) as picture:
        assert result.image.tobytes() == picture.tobytes()


def test_a_job_longer_than_a_hold_with_its_progress(
    api_cloud: LocalCloud, make_key: MakeKey, connect: Connect, hand: Hand, api_log: LogLines
) -> None:
    key = make_key().key
    watching = connect_with(api_cloud, key)
    results: list[webuiapi.WebUIApiResult] = []

    def ask() -> None:
        results.append(connect_with(api_cloud, key).txt2img(prompt="a blue shield", batch_size=2))

    with connect(key) as api, function_environment(api_cloud, **HOLD):
        assert watching.get_progress()["state"]["job_count"] == 0
        with in_background(ask):
            lease = hand.start(next_job(api))
            hand.store.renew(lease, lease_seconds=60, step=5, total_steps=20)
            progress = watching.get_progress()
            # The client is sent round at least once.
            api_log.wait_for(event="request", route="/sdapi/v1/wait/{job_id}/{hop}", status=303)
            hand.succeed(lease, count=2)
    assert (progress["progress"], progress["state"]["job"]) == (0.25, lease.job_id)
    assert [image.size for image in results[0].images] == [(64, 64)] * 2
    assert results[0].info["job_id"] == lease.job_id


def test_interrupt_ends_the_running_job_or_else_the_next(
    api_cloud: LocalCloud, make_key: MakeKey, connect: Connect, hand: Hand
) -> None:
    key = make_key().key
    webui = connect_with(api_cloud, key)
    failures: list[tuple[int, str]] = []

    def ask() -> None:
        with pytest.raises(RuntimeError) as caught:
            webui.txt2img(prompt="a shield")
        failures.append(caught.value.args)

    with connect(key) as api, function_environment(api_cloud, **HOLD):
        running, waiting = (api.post("/v1/generations", json={"prompt": "a gem"}).json()["id"] for _ in range(2))
        hand.start(running)
        webui.interrupt()
        job = api.get(f"/v1/generations/{running}").json()
        assert (job["status"], job["cancel_requested"]) == ("running", True)
        assert webui.get_progress()["state"]["interrupted"] is True
        hand.store.cancel(waiting)
        with in_background(ask):
            next_job(api)
            hand.dynamodb.delete_item(TableName="gameforge-jobs", Key={"job_id": {"S": running}})
            webui.interrupt()
    assert failures[0][0] == 409
    assert "job-canceled" in failures[0][1]


def test_what_a_client_asks_for_before_it_starts(webui: webuiapi.WebUIApi) -> None:
    assert webui.util_get_model_names() == ["tiny-sdxl"]
    assert webui.util_get_current_model() == "tiny-sdxl"
    webui.util_set_model("tiny-sdxl")
    assert {"Euler", "Euler a", "DPM++ 2M", "UniPC", "DDIM", "LCM"} <= set(webui.util_get_sampler_names())
    assert {"automatic", "karras"} <= set(webui.util_get_scheduler_names())
    assert webui.get_scripts() == {"txt2img": [], "img2img": []}
    assert webui.get_options()["sd_model_checkpoint"] == "tiny-sdxl"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"enable_hr": True}, "enable_hr"),
        ({"styles": ["neon"]}, "styles"),
        ({"sampler_name": "Heun"}, "sampler_name"),
        ({"sampler_name": "Euler", "scheduler": "Karras"}, "scheduler"),
        ({"override_settings": {"sd_model_checkpoint": "another"}}, "override_settings.sd_model_checkpoint"),
        ({"width": 65}, "width"),
        ({"prompt": ""}, "prompt"),
    ],
)
def test_what_can_not_be_done_is_refused(webui: webuiapi.WebUIApi, arguments: dict[str, object], field: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        webui.txt2img(**{"prompt": "a gem", "width": 64, "height": 64, **arguments})
    status, text = caught.value.args
    assert status == 422
    assert field in text


@pytest.mark.parametrize(
    ("sampler", "schedule", "native"),
    [
        ("Euler a", "Automatic", "euler_a"),
        ("DPM++ 2M", "Automatic", "dpmpp_2m_karras"),
        ("DPM++ 2M", "Uniform", "dpmpp_2m"),
        ("DPM++ 2M", "karras", "dpmpp_2m_karras"),
    ],
)
def test_samplers_have_our_names(
    webui: webuiapi.WebUIApi, cloud: LocalCloud, sampler: str, schedule: str, native: str
) -> None:
    result = webui.txt2img(prompt="a gem", width=64, height=64, sampler_name=sampler, scheduler=schedule)
    user, key = webui.session.auth
    job = httpx.get(
        f"{cloud.url}/v1/generations/{result.info['job_id']}", headers={"x-api-key": key}, timeout=40
    ).json()
    assert (user, job["request"]["scheduler"]) == ("anybody", native)


def test_a_wrong_key_is_refused(cloud: LocalCloud) -> None:
    with pytest.raises(RuntimeError) as caught:
        connect_with(cloud, "gf_nobody_" + "x" * 43).txt2img(prompt="a gem")
    assert caught.value.args[0] == 401
