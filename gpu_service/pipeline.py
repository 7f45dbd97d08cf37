"""Stable Diffusion XL: load it on the device there is, and make the pictures of one job."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
import transformers
from diffusers import StableDiffusionXLPipeline
from diffusers.utils import logging as diffusers_logging
from PIL import Image

from jobs.request import Generation

# Pictures denoised together. Small enough for a 16 GB GPU at 1024 x 1024.
BATCH_IMAGES_MAX: Final = 4


class Interrupted(Exception):  # noqa: N818 - the work was stopped, nothing went wrong
    """Generation was stopped between two steps because the caller asked for it."""


def choose_device() -> torch.device:
    """The GPU if PyTorch can use one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Generator:
    """A loaded pipeline. One job at a time."""

    def __init__(self, model: str, device: torch.device) -> None:
        """Load `model`, a diffusers directory or a hub id. Half precision on a GPU, full on a CPU."""
        self.device = device
        # The worker's output is one JSON line an event; progress bars and hints of libraries are not for its readers.
        for library in (diffusers_logging, transformers.utils.logging):
            library.set_verbosity_error()
            library.disable_progress_bar()
        pipeline_class: Any = StableDiffusionXLPipeline
        self._pipeline = pipeline_class.from_pretrained(
            model,
            dtype=torch.float16 if device.type == "cuda" else torch.float32,
            use_safetensors=True,
            add_watermarker=False,
        ).to(device)
        self._pipeline.set_progress_bar_config(disable=True)

    def generate(
        self, request: Generation, *, on_step: Callable[[int], None], should_stop: Callable[[], bool]
    ) -> Iterator[Image.Image]:
        """Yield the job's pictures in order, `request.width` x `request.height`, RGB.

        `on_step` gets the number of steps done, of `total_steps(request)`. Raises `Interrupted` at the next step
        after `should_stop` says so.
        """
        done_steps = 0

        def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if should_stop():
                raise Interrupted
            on_step(done_steps + step + 1)
            return tensors

        for first in range(0, request.num_images, BATCH_IMAGES_MAX):
            indexes = range(first, min(first + BATCH_IMAGES_MAX, request.num_images))
            yield from self._pipeline(
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                width=request.width,
                height=request.height,
                num_inference_steps=request.num_inference_steps,
                guidance_scale=request.guidance_scale,
                num_images_per_prompt=len(indexes),
                # Noise is drawn on the CPU, so that a seed means the same picture on every device.
                generator=[torch.Generator("cpu").manual_seed(request.image_seed(index)) for index in indexes],
                callback_on_step_end=after_step,
            ).images
            done_steps += request.num_inference_steps


def total_steps(request: Generation) -> int:
    """Steps the whole job takes: those of one picture for every batch."""
    batches = -(-request.num_images // BATCH_IMAGES_MAX)
    return batches * request.num_inference_steps
