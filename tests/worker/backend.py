"""An emulated AWS with the foundation stack alone, and worker processes that a test starts and ends itself."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import Image

from jobs import names
from jobs.job import Job, Status, timestamp
from jobs.logs import Event
from jobs.queue import JobMessage, JobQueue
from jobs.request import GenerationRequest
from jobs.store import JobStore
from local_cloud.deployment import DEFAULT_SIZE_PX, Deployment
from tests.conftest import LogLines
from tiny_sdxl import CHECKPOINT_DIR

# Short, because what a killed worker held comes back after it.
LEASE_SECONDS = 5
# Where nobody is killed, no lease is to run out, however busy the machine is.
LONG_LEASE = {names.ENV_LEASE_SECONDS: "20"}
READY_SECONDS = 240.0
# Seconds of work on any machine, to be caught in the middle.
LONG: Any = {"num_inference_steps": 150, "width": 128, "height": 128}


@dataclass
class WorkerProcess:
    """One worker, its log and its end."""

    process: "subprocess.Popen[str]"
    log: LogLines
    _reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.add(line)

    def wait_ready(self) -> "WorkerProcess":
        self.log.wait_for(event=str(Event.WORKER_READY), timeout_seconds=READY_SECONDS)
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout_seconds: float = 240) -> int:
        code = self.process.wait(timeout_seconds)
        self._reader.join(timeout=5)
        return code


class Backend:
    """What a worker needs of AWS, and what a test wants to know of it."""

    def __init__(self, aws: Deployment, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._aws = aws
        outputs = aws.foundation()
        self.bucket = outputs["ImagesBucketName"]
        self.s3 = aws.client("s3")
        self.sqs = aws.client("sqs")
        self._dynamodb = aws.client("dynamodb")
        self.store = JobStore(self._dynamodb, outputs["JobsTableName"])
        self.table = outputs["JobsTableName"]
        self.queue_url = outputs["GpuQueueUrl"]
        self.dead_letter_url = self.sqs.get_queue_url(QueueName="gameforge-dead-letters")["QueueUrl"]
        self.queue = JobQueue(self.sqs, self.queue_url)
        self._workers: list[WorkerProcess] = []

    def start_worker(
        self, endpoint: str, *, module: str = "gpu_service", environment: Mapping[str, str] | None = None
    ) -> WorkerProcess:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**os.environ, **self.worker_environment(endpoint), **(environment or {})},
            cwd=Path(__file__).resolve().parent.parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        worker = WorkerProcess(process, LogLines())
        self._workers.append(worker)
        return worker

    def worker_environment(self, endpoint: str) -> dict[str, str]:
        return {
            **self._aws.aws.environment,
            "AWS_ENDPOINT_URL": endpoint,
            "PYTHONUNBUFFERED": "1",
            # Several run at a time on small machines.
            "OMP_NUM_THREADS": "1",
            names.ENV_JOBS_TABLE: self.table,
            names.ENV_QUEUE_URL: self.queue_url.replace(f":{self.port}", ":" + endpoint.rpartition(":")[2]),
            names.ENV_DEAD_LETTER_QUEUE_URL: self.dead_letter_url,
            names.ENV_IMAGES_BUCKET: self.bucket,
            names.ENV_MODEL: str(CHECKPOINT_DIR),
            names.ENV_LEASE_SECONDS: str(LEASE_SECONDS),
        }

    def item(self, job_id: str) -> dict[str, Any]:
        """The job's record as DynamoDB has it."""
        answer = self._dynamodb.get_item(TableName=self.table, Key={names.JOB_ID: {"S": job_id}}, ConsistentRead=True)
        item: dict[str, Any] = answer["Item"]
        return item

    def change_item(self, job_id: str, attribute: str, text: str) -> None:
        """Overwrite a part of the job's record."""
        self._dynamodb.update_item(
            TableName=self.table,
            Key={names.JOB_ID: {"S": job_id}},
            UpdateExpression="SET #attribute = :text",
            ExpressionAttributeNames={"#attribute": attribute},
            ExpressionAttributeValues={":text": {"S": text}},
        )

    def end_workers(self) -> None:
        """Kill what a test left running, and empty the queues."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        for url in (self.queue_url, self.dead_letter_url):
            self.sqs.purge_queue(QueueUrl=url)

    def submit(self, *, copies: int = 1, **fields: Any) -> str:
        """Accept a job as the API does, with its message sent `copies` times. Returns its id."""
        defaults = {"prompt": "a red heart", "num_inference_steps": 4, "seed": 7}
        job = Job(
            job_id=uuid4().hex,
            owner="tests",
            status=Status.QUEUED,
            correlation_id="c",
            request=GenerationRequest.model_validate({**defaults, **fields}).complete(DEFAULT_SIZE_PX),
            created_at=timestamp(),
            expires_at=int(time.time()) + 3600,
        )
        self.store.create(job)
        for _ in range(copies):
            self.queue.send(JobMessage(job_id=job.job_id, correlation_id=job.correlation_id))
        return job.job_id

    def job(self, job_id: str) -> Job:
        job = self.store.get(job_id)
        assert job is not None
        return job

    def wait(self, job_id: str, *, timeout_seconds: float = 240) -> Job:
        """The job once it has ended."""
        wait_until(lambda: self.job(job_id).status.is_final, timeout_seconds, lambda: str(self.job(job_id)))
        return self.job(job_id)

    def check_succeeded(self, job_id: str) -> Job:
        """The job has succeeded, with the pictures that it tells of and no other."""
        job = self.wait(job_id)
        assert (job.status, job.error) == (Status.SUCCEEDED, None)
        assert len(job.images) == job.request.num_images
        assert self.stored_keys(job_id) == [image.key for image in job.images]
        for image in job.images:
            body = self.s3.get_object(Bucket=self.bucket, Key=image.key)["Body"].read()
            assert hashlib.sha256(body).hexdigest() == image.sha256
            assert Image.open(io.BytesIO(body)).size == (job.request.width, job.request.height)
        return job

    def check_ended_without_pictures(self, job_id: str, status: Status) -> Job:
        job = self.wait(job_id)
        assert (job.status, job.images, self.stored_keys(job_id)) == (status, (), [])
        return job

    def stored_keys(self, job_id: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{job_id}/")
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def messages(self, url: str) -> int:
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
        return sum(map(int, found.values()))

    def check_no_message_left(self) -> None:
        """A duplicate may come back once more before it is dropped."""
        wait_until(lambda: self.messages(self.queue_url) == 0, 240, lambda: "messages are left")

    def dead_letters(self) -> list[str]:
        """The ids of the jobs whose messages ended there."""
        found = self.sqs.receive_message(QueueUrl=self.dead_letter_url, MaxNumberOfMessages=10).get("Messages", [])
        return [JobMessage.model_validate_json(message["Body"]).job_id for message in found]


def wait_until(condition: Callable[[], bool], timeout_seconds: float, describe: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not after {timeout_seconds} s: {describe()}"
        time.sleep(0.1)
