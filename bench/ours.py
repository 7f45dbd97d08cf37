"""Our worker, whole: jobs in DynamoDB, messages in SQS, pictures in S3, all of it in the emulator on this machine."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psutil

from bench.processes import end, start
from bench.workload import GUIDANCE, SIZE_PX, STEPS
from gpu_service.plan import USES_BEFORE_COMPILING
from jobs import names
from jobs.job import Job, Status, timestamp
from jobs.logs import Event
from jobs.queue import JobMessage
from jobs.request import GenerationRequest
from jobs.store import JobStore
from local_cloud import BUILD
from local_cloud.deployment import Deployment, emulated_aws
from tiny_sdxl import CHECKPOINT_DIR

TIMEOUT_SECONDS: Final = 600.0
MESSAGES_AT_ONCE: Final = 10
WARM_UP_ROUNDS: Final = 3


class EmulatedAws:
    """The emulator, with the foundation stack."""

    def __init__(self, directory: Path, port: int, api_port: int) -> None:
        """Start it, and deploy."""
        self.url = f"http://127.0.0.1:{port}"
        caller = emulated_aws(self.url)
        self.environment = caller.environment
        command = [sys.executable, "-m", "local_cloud.emulator", "--state", str(directory)]
        # Its output is a file: a pipe that nobody reads would fill up and stop it.
        with (directory / "emulator.log").open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*command, "--aws-port", str(port), "--api-port", str(api_port)],
                stdout=output,
                stderr=output,
                text=True,
            )
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not _answers(f"{self.url}/_ministack/ready"):
            if time.monotonic() > deadline:
                raise TimeoutError("the emulator does not answer")
            time.sleep(0.1)
        aws = Deployment(caller, directory, lambda text: None)
        self.outputs = aws.foundation()
        self.sqs: Any = aws.client("sqs")
        self.store = JobStore(aws.client("dynamodb"), self.outputs["JobsTableName"])

    def close(self) -> None:
        """End it."""
        end(self.process)


class OurWorker:
    """`python -m gpu_service` on a queue of its own."""

    def __init__(self, aws: EmulatedAws, batch: int | None) -> None:
        """Start it and wait until it is ready.

        With a `batch`, it has everybody's pipeline and puts so many pictures into a call: what is compared then is the
        loop. Without one it runs as it ships, by its own plan.
        """
        self._aws = aws
        self.queue_url: str = aws.sqs.create_queue(QueueName=f"bench-{batch or 'plan'}")["QueueUrl"]
        plan = {
            "GAMEFORGE_BATCH_LIMIT": str(batch),
            "GAMEFORGE_COMPILE": "off",
            "GAMEFORGE_PRECISION": "fp32",
        }
        started = time.perf_counter()
        self.process = start(
            [sys.executable, "-m", "gpu_service"],
            {
                **aws.environment,
                names.ENV_JOBS_TABLE: aws.outputs["JobsTableName"],
                names.ENV_IMAGES_BUCKET: aws.outputs["ImagesBucketName"],
                names.ENV_QUEUE_URL: self.queue_url,
                names.ENV_MODEL: str(CHECKPOINT_DIR),
                # Kept: what one run has compiled, the next one loads.
                names.ENV_CACHE_DIRECTORY: str(BUILD / "bench" / "cache"),
                **(plan if batch is not None else {}),
            },
        )
        self._succeeded: set[str] = set()
        # Of each batch so far, how many pictures it had; and the numbers of pictures that it has compiled for.
        self._batches: list[int] = []
        self._compiled: set[int] = set()
        self._changed = threading.Condition()
        self._ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        deadline = started + TIMEOUT_SECONDS
        while not self._ready.wait(0.1):
            if self.process.poll() is not None or time.perf_counter() > deadline:
                raise RuntimeError(f"the worker did not become ready; exit code {self.process.poll()}")
        self.ready_seconds = time.perf_counter() - started

    def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        for line in self.process.stdout:
            # Cheaper than taking every line apart, while a measurement runs.
            if f'"{Event.JOB_SUCCEEDED}"' in line:
                with self._changed:
                    self._succeeded.add(json.loads(line)["job_id"])
                    self._changed.notify_all()
            elif f'"{Event.JOB_GENERATED}"' in line:
                self._batches.append(json.loads(line)["batch_jobs"])
            elif f'"{Event.COMPILED}"' in line:
                with self._changed:
                    # With guidance, the UNet sees each picture twice.
                    self._compiled.add(int(json.loads(line)["latents"].split("x")[0]) // 2)
                    self._changed.notify_all()
            elif f'"{Event.WORKER_READY}"' in line:
                self._ready.set()
            elif f'"{Event.JOB_FAILED}"' in line:
                raise RuntimeError(line)

    def prepare(self, jobs: int) -> Callable[[], None]:
        """Accept so many jobs; what is given back sends their messages and returns when all have succeeded."""
        accepted = [self._accept(seed) for seed in range(jobs)]
        entries = [
            {"Id": str(i), "MessageBody": JobMessage(job_id=job_id, correlation_id="bench").model_dump_json()}
            for i, job_id in enumerate(accepted)
        ]

        def run() -> None:
            for first in range(0, jobs, MESSAGES_AT_ONCE):
                batch = entries[first : first + MESSAGES_AT_ONCE]
                self._aws.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=batch)
            with self._changed:
                if not self._changed.wait_for(lambda: self._succeeded >= set(accepted), TIMEOUT_SECONDS):
                    raise TimeoutError("not all jobs ended")

        return run

    def warm_up(self, jobs: int) -> None:
        """Run rounds until all that the worker wants to compile is compiled."""
        for _ in range(WARM_UP_ROUNDS):
            self._batches.clear()
            self.prepare(jobs)()
        # The worker counts batches; here is a line for each job of one.
        used = {size for size in set(self._batches) if self._batches.count(size) >= USES_BEFORE_COMPILING * size}
        with self._changed:
            if not self._changed.wait_for(lambda: self._compiled >= used, TIMEOUT_SECONDS):
                raise TimeoutError(f"compiled for {self._compiled}, and not for all of {used}")

    def pss_mb(self) -> float:
        """The proportional memory of its processes, in megabytes."""
        process = psutil.Process(self.process.pid)
        family = [process, *process.children(recursive=True)]
        return sum(float(member.memory_full_info().pss) for member in family) / 1e6

    def close(self) -> None:
        """End it."""
        end(self.process)

    def _accept(self, seed: int) -> str:
        request = GenerationRequest(
            prompt=f"a red heart number {seed}",
            width=SIZE_PX,
            height=SIZE_PX,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            seed=seed,
        )
        job = Job(
            job_id=uuid4().hex,
            owner="bench",
            status=Status.QUEUED,
            correlation_id="bench",
            request=request.complete(SIZE_PX),
            created_at=timestamp(),
            expires_at=int(time.time()) + 3600,
        )
        self._aws.store.create(job)
        return job.job_id


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except OSError:
        return False
