"""The fields of a request: what each accepts, and what is filled in."""

from typing import Any

import httpx
import pytest

from tests.polling import post


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
        "scheduler": None,
        "clip_skip": 0,
        "output_format": "png",
        "preview": False,
        "seed": 3,
    }
