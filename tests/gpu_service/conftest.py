"""The real pipeline on the tiny checkpoint, loaded once for the tests that need no queue."""

from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from tiny_sdxl import CHECKPOINT_DIR


@pytest.fixture(scope="session")
def pipeline() -> Any:
    pipeline_class: Any = StableDiffusionXLPipeline
    loaded = pipeline_class.from_pretrained(
        CHECKPOINT_DIR, dtype=torch.float32, use_safetensors=True, add_watermarker=False
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded
