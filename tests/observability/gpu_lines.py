"""What a worker with a GPU writes, as a process: an out-of-memory rung, a GPU that does not compute, the GPU's figures.

The code that writes is the worker's own. The card is played: an allocation that fails once, facts of a GPU that is of
no use, and a reading in the place of NVIDIA's library.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from gpu_service import starting
from gpu_service.engine import Engine
from gpu_service.gpu_reader import GpuReading
from gpu_service.host import Host
from gpu_service.loading import load_pipeline
from gpu_service.meter import DeviceMeter
from gpu_service.metrics import MetricsSampler
from gpu_service.status import WorkerStatus
from gpu_service.worker_sample import WorkerSample
from jobs.logs import SERVICE_WORKER, keep_fields, make_logger
from tests.gpu_service.conftest import CPU, CPU_AS_GPU, GPU, draw, plan_for
from tiny_sdxl import CHECKPOINT_DIR

HOST = Host("g4dn.xlarge", 0.526)
READING = GpuReading(
    name="Tesla T4",
    utilization_percent=97,
    memory_used_bytes=12 * 2**30,
    memory_total_bytes=16 * 2**30,
    temperature_celsius=71,
    power_watts=68.0,
)


class Gpu:
    """Stands where NVIDIA's library would be read."""

    def read(self) -> GpuReading:
        return READING


def engine_that_runs_out_once(checkpoint: Path, logger: Any) -> Engine:
    plan = plan_for(checkpoint, GPU, precision="fp32", compile="off")
    pipeline = load_pipeline(checkpoint, plan, vae_directory=None, gpu=CPU_AS_GPU)
    engine = Engine(pipeline, plan, logger=logger, gpu=CPU_AS_GPU)
    failing = [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")]

    def fail_once(module: Any, arguments: Any) -> None:
        if failing:
            raise failing.pop()

    pipeline.unet.register_forward_pre_hook(fail_once)
    engine.run(lambda pipeline: draw(pipeline, steps=1))
    return engine


def start_where_the_gpu_is_of_no_use(checkpoint: Path, cache: Path, logger: Any) -> None:
    facts = replace(CPU, gpu_problem="CUDA driver version is insufficient for CUDA runtime version")
    with (
        mock.patch.object(starting, "read_facts", return_value=facts),
        mock.patch.object(torch.version, "cuda", "12.8"),
    ):
        starting.start_engine(str(checkpoint), cache, {"GAMEFORGE_COMPILE": "off"}, logger)


def main() -> None:
    checkpoint, cache = Path(CHECKPOINT_DIR), Path(sys.argv[1])
    logger = make_logger(SERVICE_WORKER)
    keep_fields(logger, worker_id=sys.argv[2], instance_type=HOST.instance_type)
    start_where_the_gpu_is_of_no_use(checkpoint, cache, logger)
    engine = engine_that_runs_out_once(checkpoint, logger)
    status, meter = WorkerStatus(), DeviceMeter()
    sample = WorkerSample(
        status=status, engine=engine, meter=meter, host=HOST, project="gameforge", age_seconds=5.0, logger=logger
    )
    sampler = MetricsSampler(status, engine, Gpu(), sample, project="gameforge", logger=logger)
    # Closing it would leave the GPU out: it may be why the process ends.
    sampler.sample()
    time.sleep(0.01)
    sample.send()


if __name__ == "__main__":
    main()
