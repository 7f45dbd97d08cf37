"""Real pipelines on the tiny checkpoint, loaded once for the tests that only read them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import torch
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from gpu_service.loading import load_pipeline
from gpu_service.model_facts import read_model_facts
from gpu_service.plan import Device, DeviceFacts, Plan
from gpu_service.plan_wishes import Wishes
from gpu_service.planning import make_plan
from local_cloud.deployment import aws_environment
from tiny_sdxl import CHECKPOINT_DIR

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The processor stands in for the GPU: the same pipeline calls, the same hooks, no CUDA.
CPU_AS_GPU = torch.device("cpu")
CPU = DeviceFacts(kind=Device.CPU, name="test", memory_bytes=8_000_000_000, threads=2)
GPU = replace(CPU, kind=Device.CUDA, compute_capability=(7, 5))


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    return Path(CHECKPOINT_DIR)


def plan_for(checkpoint: Path, facts: DeviceFacts, **options: str) -> Plan:
    wishes = Wishes.from_environment({f"GAMEFORGE_{name.upper()}": value for name, value in options.items()})
    return make_plan(facts, read_model_facts(checkpoint), wishes)


@pytest.fixture
def load(checkpoint: Path) -> Callable[[Plan], Any]:
    return lambda plan: load_pipeline(checkpoint, plan, vae_directory=None, gpu=CPU_AS_GPU)


@pytest.fixture(scope="session")
def pipeline(checkpoint: Path) -> Any:
    """The tiny checkpoint with nothing switched on, for tests that leave it as it is."""
    plan = plan_for(checkpoint, CPU, compile="off", memory_format="contiguous")
    return load_pipeline(checkpoint, plan, vae_directory=None, gpu=CPU_AS_GPU)


def draw(pipeline: Any, *, prompt: str = "a red heart", seed: int = 3, steps: int = 6, images: int = 1) -> torch.Tensor:
    """Pictures as the pipeline makes them, images x 3 x 64 x 64, from 0 to 1."""
    pictures: torch.Tensor = pipeline(
        prompt=[prompt] * images,
        width=64,
        height=64,
        num_inference_steps=steps,
        guidance_scale=5.0,
        generator=[torch.Generator("cpu").manual_seed(seed + index) for index in range(images)],
        output_type="pt",
    ).images
    return pictures


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator["S3Client"]:
    """The emulator's S3, without any stack, and the environment that leads there."""
    aws_port, state = free_port(), tmp_path_factory.mktemp("emulator")
    command = [sys.executable, "-m", "local_cloud.emulator", "--aws-port", str(aws_port)]
    with (state / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--api-port", str(free_port()), "--state", str(state)], stdout=log, stderr=log
        )
    environment = aws_environment(f"http://127.0.0.1:{aws_port}")
    before = dict(os.environ)
    os.environ.update(environment)
    client = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 10}))
    deadline = time.monotonic() + 60
    while True:
        try:
            client.create_bucket(Bucket="models")
            break
        except EndpointConnectionError:
            assert process.poll() is None, (state / "log").read_text()
            assert time.monotonic() < deadline, "the emulator did not start"
            time.sleep(0.2)
    yield client
    process.terminate()
    process.wait(60)
    os.environ.clear()
    os.environ.update(before)
