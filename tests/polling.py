"""Waiting for a job, in tests."""

import time
from typing import Any

import httpx

FINAL = ("succeeded", "failed", "canceled")


def post(api: httpx.Client, **request: object) -> dict[str, Any]:
    response = api.post("/v1/generations", json=request)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    return job


def wait_until(api: httpx.Client, job_id: str, *statuses: str, timeout_seconds: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_seconds
    while True:
        job: dict[str, Any] = api.get(f"/v1/generations/{job_id}").json()
        if job["status"] in (statuses or FINAL):
            return job
        assert job["status"] not in FINAL, job
        assert time.monotonic() < deadline, f"still {job['status']} after {timeout_seconds} s"
        time.sleep(0.1)
