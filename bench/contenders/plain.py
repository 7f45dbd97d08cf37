"""Plain diffusers: the pipeline and the call that every contender makes."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline

from bench.workload import GUIDANCE, SIZE_PX, STEPS


def load(model: str) -> Any:
    """The pipeline in fp32 on the CPU."""
    pipeline_class: Any = StableDiffusionXLPipeline
    pipeline = pipeline_class.from_pretrained(model, dtype=torch.float32, use_safetensors=True, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def call(pipeline: Any, prompts: Sequence[str], seeds: Sequence[int]) -> list[Any]:
    """One call of the pipeline, a picture a prompt."""
    pictures: list[Any] = pipeline(
        prompt=list(prompts),
        negative_prompt=[""] * len(prompts),
        width=SIZE_PX,
        height=SIZE_PX,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
    ).images
    return pictures
