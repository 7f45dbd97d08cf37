"""One variant of `bench.pipeline`, as a process that draws when it is told to on standard input."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench.pipeline import PLAIN
from gpu_service.plan import USES_BEFORE_COMPILING
from gpu_service.starting import start_engine
from jobs.logs import SERVICE_WORKER, make_logger


def plain(model: str) -> Any:
    """What the diffusers documentation begins with."""
    from diffusers import StableDiffusionXLPipeline

    device = "cuda" if torch.cuda.is_available() else "cpu"
    pipeline_class: Any = StableDiffusionXLPipeline
    pipeline = pipeline_class.from_pretrained(
        model, dtype=torch.float16 if device == "cuda" else torch.float32, use_safetensors=True
    ).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def memory_bytes() -> int:
    """The most that the GPU held, or the proportional share of main memory now."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def main(model: str, cache: str, name: str, steps: str) -> None:
    """Answer each line of standard input with one line."""

    def work(pipeline: Any) -> None:
        pipeline(
            "a red potion",
            num_inference_steps=int(steps),
            guidance_scale=5.0,
            generator=torch.Generator("cpu").manual_seed(1),
        )

    def timed() -> float:
        started = time.monotonic()
        draw()
        return time.monotonic() - started

    compiler = None
    draw: Callable[[], None]
    if name == PLAIN:
        pipeline = plain(model)
        draw = lambda: work(pipeline)  # noqa: E731 - two ways to do one thing
    else:
        engine = start_engine(model, Path(cache), os.environ, make_logger(SERVICE_WORKER)).engine
        compiler = engine.compiler
        draw = lambda: engine.run(work)  # noqa: E731 - two ways to do one thing
    for command in sys.stdin:
        if command.strip() == "warm":
            started = time.monotonic()
            for _ in range(USES_BEFORE_COMPILING - 1):
                draw()
            while compiler is not None and compiler.is_working and not compiler.warm:
                time.sleep(0.05)
            answer: dict[str, Any] = {"seconds": time.monotonic() - started if compiler is not None else 0.0}
        else:
            answer = {"seconds": timed(), "memory_bytes": memory_bytes()}
        print("bench", json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
