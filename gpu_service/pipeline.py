"""Makes the pictures of one job on the engine."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import torch
from PIL import Image

from gpu_service.engine import Engine
from gpu_service.errors import Interrupted
from jobs.request import Generation

# Pictures denoised together. Small enough for a 16 GB GPU at 1024 x 1024.
BATCH_IMAGES_MAX: Final = 4


class Generator:
    """A loaded engine. One job at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def device(self) -> str:
        """What pictures are made on now: `cuda` or `cpu`."""
        return self._engine.device

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
            yield from self._engine.run(partial(self._call, request, indexes, after_step))
            done_steps += request.num_inference_steps

    @staticmethod
    def _call(request: Generation, indexes: range, after_step: Any, pipeline: Any) -> list[Image.Image]:
        images: list[Image.Image] = pipeline(
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
        return images


def total_steps(request: Generation) -> int:
    """Steps the whole job takes: those of one picture for every batch."""
    batches = -(-request.num_images // BATCH_IMAGES_MAX)
    return batches * request.num_inference_steps
