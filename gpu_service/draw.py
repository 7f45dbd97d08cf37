"""Draws one picture with this machine's plan and without AWS: `python -m gpu_service.draw MODEL FILE [PROMPT]`."""

import os
import sys
from pathlib import Path
from typing import Any

# Before PyTorch starts its threads, as the worker does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from gpu_service.settings import CACHE_DIRECTORY_DEFAULT
from gpu_service.starting import start_engine
from jobs import names
from jobs.logs import SERVICE_WORKER, make_logger


def main(model: str, file: str, prompt: str = "a red heart") -> None:
    """Write the picture of `prompt`, in the size that the model was trained for."""
    cache_directory = Path(os.environ.get(names.ENV_CACHE_DIRECTORY) or CACHE_DIRECTORY_DEFAULT).expanduser()
    engine = start_engine(model, cache_directory, os.environ, make_logger(SERVICE_WORKER)).engine

    def draw(pipeline: Any) -> Any:
        return pipeline(prompt, num_inference_steps=20).images[0]

    engine.run(draw).save(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
