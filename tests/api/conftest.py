"""A laptop cloud without a worker, in which the tests themselves run the jobs: so they know what happens when."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from jobs.job import Status, StoredImage, timestamp
from jobs.listing import Listing
from jobs.measured import Measured
from jobs.store import JobStore, Lease
from local_cloud.cloud import LocalCloud
from local_cloud.processes import free_port
from tests.conftest import LogLines

MEASURED = Measured(
    instance_type="g4dn.xlarge", generate_seconds=8.0, device_seconds=2.0, store_seconds=0.25, cost_dollars=0.00029222
)
PICTURE = b"\x89PNG a picture of a gem"


@pytest.fixture(scope="session")
def api_log() -> LogLines:
    return LogLines()


@pytest.fixture(scope="session")
def api_cloud(tmp_path_factory: pytest.TempPathFactory, api_log: LogLines) -> Iterator[LocalCloud]:
    with LocalCloud(
        api_port=free_port(),
        aws_port=free_port(),
        state=tmp_path_factory.mktemp("api-cloud"),
        with_worker=False,
        say=lambda text: None,
        on_log_line=api_log.add,
    ) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def api(api_cloud: LocalCloud) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_cloud.url, headers={"x-api-key": api_cloud.key}, timeout=40) as client:
        yield client


class Hand:
    """Does by hand what a worker does, with the code that a worker does it with."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.dynamodb = cloud.deployment.client("dynamodb")
        self.sqs = cloud.deployment.client("sqs")
        self.s3 = cloud.deployment.client("s3")
        self.store = JobStore(self.dynamodb, "gameforge-jobs")
        self.queue_url = self.sqs.get_queue_url(QueueName="gameforge-gpu-jobs")["QueueUrl"]
        self.bucket = next(b["Name"] for b in self.s3.list_buckets()["Buckets"] if "images" in b["Name"])

    def start(self, job_id: str) -> Lease:
        started = self.store.start(job_id, lease_seconds=60, queued_at=timestamp(), device="cpu")
        assert started is not None
        return started[1]

    def succeed(self, lease: Lease, count: int = 1) -> None:
        images = []
        for index in range(count):
            key = f"{lease.job_id}/{index}.png"
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=PICTURE, ContentType="image/png")
            digest = hashlib.sha256(PICTURE).hexdigest()
            images.append(StoredImage(key=key, width=64, height=64, seed=index, sha256=digest, bytes=len(PICTURE)))
        self.store.succeed(lease, tuple(images), MEASURED)

    def make(self, job_id: str, count: int = 1) -> None:
        self.succeed(self.start(job_id), count)

    def messages(self) -> list[dict[str, Any]]:
        """Take everything off the queue."""
        taken: list[dict[str, Any]] = []
        while received := self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        ).get("Messages"):
            for message in received:
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
                taken.append(json.loads(message["Body"]))
        return taken

    def clear(self) -> None:
        """Leave no job waiting, and nothing on the queue."""
        self.messages()
        while waiting := Listing(self.dynamodb, "gameforge-jobs").oldest(Status.QUEUED, limit=100):
            for job in waiting:
                self.store.cancel(job.job_id)


@pytest.fixture(scope="session")
def hand(api_cloud: LocalCloud) -> Hand:
    return Hand(api_cloud)


@contextmanager
def function_environment(cloud: LocalCloud, **changes: str | None) -> Iterator[None]:
    """The API's function with other environment variables; None takes one away."""
    function = cloud.deployment.client("lambda")
    environment = function.get_function_configuration(FunctionName="gameforge-api")["Environment"]
    variables = {**environment["Variables"], **changes}
    function.update_function_configuration(
        FunctionName="gameforge-api",
        Environment={"Variables": {name: value for name, value in variables.items() if value is not None}},
    )
    try:
        yield
    finally:
        function.update_function_configuration(FunctionName="gameforge-api", Environment=environment)


@contextmanager
def in_background(work: Any, *arguments: Any) -> Iterator[None]:
    thread = threading.Thread(target=work, args=arguments)
    thread.start()
    try:
        yield
    finally:
        thread.join()
