"""Whatever dies in the middle of a job, the job ends once, with its pictures."""

import os
import signal
import time
from pathlib import Path

import httpx

from local_cloud.cloud import LocalCloud
from tests.conftest import LogLines, make_cloud
from tests.polling import post, wait_until

# Long enough to be caught in the middle: seconds, on any machine.
LONG = {"prompt": "a blue shield", "num_inference_steps": 150, "width": 128, "height": 128, "seed": 1}


def stored_pictures(cloud: LocalCloud, job_id: str) -> int:
    s3 = cloud.deployment.client("s3")
    bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if "images" in b["Name"])
    return int(s3.list_objects_v2(Bucket=bucket, Prefix=f"{job_id}/")["KeyCount"])


def messages_left(cloud: LocalCloud) -> int:
    sqs = cloud.deployment.client("sqs")
    url = sqs.get_queue_url(QueueName="gameforge-gpu-jobs")["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))


def check_no_message_is_left(cloud: LocalCloud) -> None:
    """A job's message goes a moment after the job has ended, and a canceled job's when a worker comes to it."""
    deadline = time.monotonic() + 60
    while messages_left(cloud) > 0:
        assert time.monotonic() < deadline, f"{messages_left(cloud)} messages are left"
        time.sleep(0.2)


def test_a_killed_workers_job_is_finished_by_the_next(cloud: LocalCloud, api: httpx.Client, log: LogLines) -> None:
    job = post(api, **LONG)
    log.wait_for(event="job_started", job_id=job["id"])
    os.kill(cloud.worker_pid, signal.SIGKILL)

    ended = wait_until(api, job["id"], "succeeded", timeout_seconds=90)
    assert ended["attempts"] == 2
    assert stored_pictures(cloud, job["id"]) == 1
    check_no_message_is_left(cloud)


def test_a_worker_told_to_stop_hands_its_job_back(cloud: LocalCloud, api: httpx.Client, log: LogLines) -> None:
    job = post(api, **LONG)
    log.wait_for(event="job_started", job_id=job["id"])
    os.kill(cloud.worker_pid, signal.SIGTERM)

    log.wait_for(event="job_handed_back", job_id=job["id"])
    ended = wait_until(api, job["id"], "succeeded", timeout_seconds=90)
    # The attempt was given back: stopping a worker is nobody's failure.
    assert ended["attempts"] == 1
    assert stored_pictures(cloud, job["id"]) == 1
    check_no_message_is_left(cloud)


def test_everything_stopped_in_mid_job_goes_on_when_kept(tmp_path: Path) -> None:
    log = LogLines()
    first = make_cloud(tmp_path, log, keep=True)
    with first, httpx.Client(base_url=first.url, headers={"x-api-key": first.key}, timeout=30) as api:
        job = post(api, **LONG)
        log.wait_for(event="job_started", job_id=job["id"])

    again = make_cloud(tmp_path, log, keep=True)
    with again, httpx.Client(base_url=again.url, headers={"x-api-key": again.key}, timeout=30) as api:
        ended = wait_until(api, job["id"], "succeeded", timeout_seconds=90)
        assert len(ended["images"]) == 1
        assert stored_pictures(again, job["id"]) == 1
        check_no_message_is_left(again)
        assert httpx.get(ended["images"][0]["url"], timeout=60).content.startswith(b"\x89PNG")
