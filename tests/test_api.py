"""What the API answers, through API Gateway and the real Lambda."""

from typing import Any

import httpx
import pytest

from local_cloud.cloud import LocalCloud
from tests.polling import post


def test_without_a_key_nothing_is_accepted(cloud: LocalCloud) -> None:
    for headers in ({}, {"x-api-key": "not-a-key-of-this-api-at-all"}):
        response = httpx.post(f"{cloud.url}/v1/generations", json={"prompt": "a gem"}, headers=headers, timeout=60)
        assert response.status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "x" * 2001}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "x", "width": 65}, "width"),
        ({"prompt": "x", "height": 32}, "height"),
        ({"prompt": "x", "width": 4096}, "width"),
        ({"prompt": "x", "width": "64"}, "width"),
        ({"prompt": "x", "num_inference_steps": 0}, "num_inference_steps"),
        ({"prompt": "x", "num_images": 9}, "num_images"),
        ({"prompt": "x", "guidance_scale": -1}, "guidance_scale"),
        ({"prompt": "x", "seed": 2**32}, "seed"),
        ({"prompt": "x", "steps": 5}, "steps"),
        ({"prompt": "x", "scheduler": "heun"}, "scheduler"),
        ({"prompt": "x", "scheduler": "lcm", "num_inference_steps": 51}, "scheduler"),
        ({"prompt": "x", "clip_skip": 11}, "clip_skip"),
        ({"prompt": "x", "output_format": "gif"}, "output_format"),
        ({"prompt": "x", "preview": "yes"}, "preview"),
    ],
)
def test_a_wrong_field_is_named(api: httpx.Client, body: dict[str, Any], field: str) -> None:
    response = api.post("/v1/generations", json=body)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "urn:gameforge:problem:invalid-request"
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_body_that_is_not_json_is_a_400(api: httpx.Client) -> None:
    response = api.post("/v1/generations", content="{", headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["type"]) == (400, "urn:gameforge:problem:invalid-json")


def test_an_unknown_job_is_a_404(api: httpx.Client) -> None:
    response = api.get("/v1/generations/nothing")
    assert (response.status_code, response.json()["type"]) == (404, "urn:gameforge:problem:job-not-found")


def test_an_unknown_path_is_a_404(api: httpx.Client) -> None:
    response = api.get("/v1/nothing")
    assert (response.status_code, response.json()["type"]) == (404, "urn:gameforge:problem:route-not-found")


def test_an_accepted_job_says_all_that_will_be_done(api: httpx.Client) -> None:
    job = post(api, prompt="a red gem", num_inference_steps=1, seed=3)
    assert job["status"] == "queued"
    assert job["request"] == {
        "prompt": "a red gem",
        "negative_prompt": "",
        "width": 64,
        "height": 64,
        "num_inference_steps": 1,
        "guidance_scale": 5.0,
        "num_images": 1,
        "seed": 3,
        "scheduler": None,
        "clip_skip": 0,
        "output_format": "png",
        "preview": False,
    }
