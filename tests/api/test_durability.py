"""No accepted job is lost: whatever dies between a client and the queue, every job that was accepted ends."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from jobs.job import Status, timestamp
from jobs.listing import Listing
from local_cloud.cloud import LocalCloud
from local_cloud.processes import free_port
from tests.api.conftest import Hand, function_environment
from tests.api.faults import FlakySqs, Killer

CLIENTS = 8
POSTS = 1000
END_SECONDS = 300


def order(url: str, key: str, killer: Killer, number: int) -> str | None:
    """One POST. Every other client sends a key with it, and sends it again until it is accepted, as SDKs do."""
    repeats = number % CLIENTS % 2 == 0
    headers = {"x-api-key": key, **({"Idempotency-Key": uuid4().hex} if repeats else {})}
    for _ in range(20 if repeats else 1):
        try:
            response = httpx.post(
                f"{url}/v1/generations", json={"prompt": f"gem {number}"}, headers=headers, timeout=40
            )
        except httpx.TransportError:
            continue
        killer.answered()
        if response.status_code in (200, 202):
            return str(response.json()["id"])
        assert response.status_code in (409, 429, 502, 503, 504), response.text
        time.sleep(0.2)
    return None


def end_jobs(hand: Hand, finished: threading.Event) -> None:
    """A worker whose work takes no time: the store and the queue are the real ones."""
    while not finished.is_set():
        try:
            received = hand.sqs.receive_message(QueueUrl=hand.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in received.get("Messages", []):
                job_id = json.loads(message["Body"])["job_id"]
                started = hand.store.start(job_id, lease_seconds=60, queued_at=timestamp(), device="cpu")
                if started is not None:
                    hand.store.succeed(started[1], ())
                hand.sqs.delete_message(QueueUrl=hand.queue_url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError):
            time.sleep(0.5)


@pytest.mark.endurance
def test_every_accepted_job_ends_though_functions_are_killed_and_sqs_fails(tmp_path: Path) -> None:
    finished = threading.Event()
    cloud = LocalCloud(
        api_port=free_port(),
        aws_port=free_port(),
        state=tmp_path,
        with_worker=False,
        say=lambda text: None,
    )
    with cloud, FlakySqs(cloud.aws_port, cycle_calls=60, down_calls=24, seed=1) as sqs:
        hand = Hand(cloud)
        worker = threading.Thread(target=end_jobs, args=(hand, finished))
        worker.start()
        try:
            killer = Killer(cloud, every_answers=20, seed=2)
            with function_environment(cloud, AWS_ENDPOINT_URL_SQS=sqs.url), ThreadPoolExecutor(CLIENTS) as clients:
                orders = list(clients.map(lambda number: order(cloud.url, cloud.key, killer, number), range(POSTS)))
            accepted = [job_id for job_id in orders if job_id is not None]
            ended = _ended(hand, accepted)
            swept = _swept(cloud)
        finally:
            finished.set()
            worker.join()

        print(
            f"{POSTS} POSTs, {len(accepted)} accepted, {len(ended)} ended; "
            f"{killer.kills} functions killed, {sqs.failures} calls of SQS failed, {swept} jobs queued by the sweep"
        )
        # Otherwise this has proven nothing.
        assert killer.kills > 10
        assert sqs.failures > 10
        assert len(accepted) > POSTS // 2
        assert swept > 0
        assert len(set(accepted)) == len(accepted)
        assert ended == set(accepted)


def _ended(hand: Hand, accepted: list[str]) -> set[str]:
    """Those of the jobs that have ended, when all have or the time is up; jobs nobody was told of count too."""
    deadline = time.monotonic() + END_SECONDS
    listing = Listing(hand.dynamodb, "gameforge-jobs")
    while time.monotonic() < deadline and any(
        listing.oldest(status, limit=1) for status in (Status.QUEUED, Status.RUNNING)
    ):
        time.sleep(1)
    jobs = [hand.store.get(job_id) for job_id in accepted]
    return {job.job_id for job in jobs if job is not None and job.status is Status.SUCCEEDED}


def _swept(cloud: LocalCloud) -> int:
    """How many jobs the sweep has put onto the queue, by its log."""
    pages = cloud.deployment.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName="/aws/lambda/gameforge-api-sweep", filterPattern="job_queued_again")
    return sum(len(page["events"]) for page in found)
