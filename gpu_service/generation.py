"""What is done with a pipeline: requests that fit together go in, the pictures of each come out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from gpu_service.errors import GenerationError, Interrupted, UnusablePictureError
from gpu_service.preview import preview_of
from gpu_service.schedulers import build_scheduler, sampler_label
from jobs.request import Generation

# Height x width x 3, 8 bits a channel.
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Made:
    """The pictures of one request, in order, and the sampler that made them by its usual name."""

    pictures: tuple[Pixels, ...]
    sampler: str


# None for a request whose pictures nobody wants any more.
Outcome = Made | GenerationError | None


class Observer(Protocol):
    """Whoever asked for the pictures. `index` counts the requests."""

    def is_wanted(self, index: int) -> bool:
        """Whether the request's pictures are still to be made; asked after every step."""

    def wants_preview(self, index: int) -> bool:
        """Whether to show how far the request's first picture has come; asked after every step."""

    def on_preview(self, index: int, picture: Image.Image) -> None:
        """Gets the preview that was wanted."""

    def on_step(self, step: int, total_steps: int) -> None:
        """`step` of `total_steps` are done."""


@dataclass(frozen=True)
class _Unit:
    """One picture to make."""

    index: int
    prompt: str
    negative_prompt: str
    seed: int


def generate(
    pipeline: Any, requests: Sequence[Generation], *, images_at_once: int, observer: Observer
) -> list[Outcome]:
    """Make the pictures of requests that share a `batch_key`, `images_at_once` of them in one call of the pipeline.

    A picture depends on its own prompt and seed alone: its noise comes from a generator of its own. Raises
    `Interrupted` at the first step after which no request is wanted; the pictures are then never decoded.
    """
    units = [
        _Unit(index, request.prompt, request.negative_prompt, request.image_seed(image))
        for index, request in enumerate(requests)
        for image in range(request.num_images)
    ]
    made: list[list[Pixels | None]] = [[] for _ in requests]
    chunks = [units[first : first + images_at_once] for first in range(0, len(units), images_at_once)]
    with _scheduler(pipeline, requests[0]) as sampler:
        for number, chunk in enumerate(chunks):
            try:
                for unit, pixels in _run(pipeline, requests[0], chunk, number, len(chunks), observer):
                    made[unit.index].append(pixels)
            except Interrupted:
                # Nobody wants this chunk. Others may be wanted still.
                if not any(observer.is_wanted(index) for index in range(len(requests))):
                    raise
    return [_outcome(index, pictures, sampler, observer) for index, pictures in enumerate(made)]


def _outcome(index: int, pictures: list[Pixels | None], sampler: str, observer: Observer) -> Outcome:
    if not observer.is_wanted(index):
        return None
    whole = tuple(pixels for pixels in pictures if pixels is not None)
    if len(whole) < len(pictures):
        return UnusablePictureError("the model's output was not a picture: it held values that are no numbers")
    return Made(whole, sampler)


@contextmanager
def _scheduler(pipeline: Any, request: Generation) -> Iterator[str]:
    own = pipeline.scheduler
    if request.scheduler is not None:
        pipeline.scheduler = build_scheduler(request.scheduler, own)
    try:
        yield sampler_label(request.scheduler, own)
    finally:
        pipeline.scheduler = own


def _run(
    pipeline: Any, request: Generation, units: list[_Unit], number: int, calls: int, observer: Observer
) -> Iterator[tuple[_Unit, Pixels | None]]:
    """One call of the pipeline. Yields each unit that is still wanted with its picture, None if it is none."""
    steps = request.num_inference_steps
    left = units

    def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        nonlocal left
        wanted = [observer.is_wanted(unit.index) for unit in units]
        if not any(wanted):
            raise Interrupted
        latents = tensors["latents"]
        previewed: set[int] = set()
        for row, unit in enumerate(units):
            if wanted[row] and unit.index not in previewed and observer.wants_preview(unit.index):
                previewed.add(unit.index)
                observer.on_preview(unit.index, preview_of(pipeline, latents[row : row + 1]))
        if step == steps - 1 and not all(wanted):
            # What nobody wants is not decoded.
            left = [unit for row, unit in enumerate(units) if wanted[row]]
            tensors["latents"] = latents[torch.tensor(wanted, device=latents.device)]
        observer.on_step(number * steps + step + 1, calls * steps)
        return tensors

    try:
        decoded = pipeline(
            prompt=[unit.prompt for unit in units],
            negative_prompt=[unit.negative_prompt for unit in units],
            width=request.width,
            height=request.height,
            num_inference_steps=steps,
            guidance_scale=request.guidance_scale,
            clip_skip=request.clip_skip or None,
            # Noise is drawn on the CPU, so that a seed means the same picture on every device.
            generator=[torch.Generator("cpu").manual_seed(unit.seed) for unit in units],
            callback_on_step_end=after_step,
            output_type="pt",
        ).images
    except Interrupted:
        # What a finished call does last: where parts of the model are offloaded, they go back to where they wait.
        pipeline.maybe_free_model_hooks()
        raise
    yield from zip(left, _pixels(decoded), strict=True)


def _pixels(decoded: torch.Tensor) -> Iterator[Pixels | None]:
    """Pictures of values 0-1, (images, 3, height, width), as 8-bit pixels."""
    is_whole = torch.isfinite(decoded).flatten(1).all(dim=1).tolist()
    rounded = (decoded.float() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    for row, whole in enumerate(is_whole):
        yield rounded[row] if whole else None
