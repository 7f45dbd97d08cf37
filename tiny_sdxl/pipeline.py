"""Loads the tiny SDXL and draws grids of prompts with it, for the evaluation and the tests."""

# mypy: allow-untyped-calls
# (torch and diffusers leave these unannotated.)

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from transformers.utils import logging as transformers_logging

from tiny_sdxl import CHECKPOINT_DIR
from tiny_sdxl.sprites import COLOURS, THINGS


@dataclass(frozen=True)
class Case:
    """One picture to draw: what the prompt asks for, and the seed."""

    colour: str
    thing: str
    seed: int

    @property
    def prompt(self) -> str:
        """The plain sentence a new user would type."""
        return f"a {self.colour} {self.thing}"


def all_cases(seeds: int) -> list[Case]:
    """Every colour of every thing with `seeds` seeds each, things outermost; no two cases share a seed."""
    grid = [(thing, colour) for thing in THINGS for colour in COLOURS for _ in range(seeds)]
    return [Case(colour, thing, seed) for seed, (thing, colour) in enumerate(grid)]


def load_pipeline(directory: Path = CHECKPOINT_DIR) -> Any:
    """The `StableDiffusionXLPipeline` on the CPU in float32, without a progress bar and without a look at the network.

    Raises OSError when `directory` holds no whole checkpoint.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Silent before the pipeline is imported: both libraries warn about things that do no harm here.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    from diffusers import StableDiffusionXLPipeline

    pipeline: Any = StableDiffusionXLPipeline.from_pretrained(directory, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: Any,
    cases: Sequence[Case],
    *,
    width: int = 64,
    height: int = 64,
    num_inference_steps: int = 20,
    guidance_scale: float = 5.0,
    batch_size: int = 16,
    on_progress: Callable[[int], None] | None = None,
) -> list[Image.Image]:
    """One picture a case, in their order; every case has a generator of its own, so batching changes nothing."""
    pictures: list[Image.Image] = []
    for first in range(0, len(cases), batch_size):
        part = cases[first : first + batch_size]
        pictures += pipeline(
            prompt=[case.prompt for case in part],
            width=width,
            height=height,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            generator=[torch.Generator().manual_seed(case.seed) for case in part],
        ).images
        if on_progress:
            on_progress(len(pictures))
    return pictures
