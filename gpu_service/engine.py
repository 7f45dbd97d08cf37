"""The model, loaded on the device there is."""

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

import torch
import transformers
from diffusers import StableDiffusionXLPipeline
from diffusers.utils import logging as diffusers_logging

T = TypeVar("T")
# Pictures denoised together. Small enough for a 16 GB GPU at 1024 x 1024.
BATCH_IMAGES_MAX: Final = 4


class Engine:
    """A loaded pipeline, used by one thread."""

    def __init__(self, model: str) -> None:
        """Load `model`, a diffusers directory or a hub id. Half precision on a GPU, full on a CPU."""
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.rung = "resident"
        # The worker's output is one JSON line an event; progress bars and hints of libraries are not for its readers.
        for library in (diffusers_logging, transformers.utils.logging):
            library.set_verbosity_error()
            library.disable_progress_bar()
        pipeline_class: Any = StableDiffusionXLPipeline
        self._pipeline = pipeline_class.from_pretrained(
            model,
            dtype=torch.float16 if self.device == "cuda" else torch.float32,
            use_safetensors=True,
            add_watermarker=False,
        ).to(self.device)
        self._pipeline.set_progress_bar_config(disable=True)

    def batch_limit(self, width: int, height: int) -> int:
        """Pictures of `width` x `height` pixels that are denoised together."""
        return int(os.environ.get("GAMEFORGE_BATCH_LIMIT", BATCH_IMAGES_MAX))

    def run(self, work: Callable[[Any], T]) -> T:
        """Call `work` with the pipeline, and return what it returns."""
        return work(self._pipeline)
