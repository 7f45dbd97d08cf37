"""A small Stable Diffusion XL that ships with the repository, and the recipe that made it."""

from pathlib import Path

CHECKPOINT_DIR: Path = Path(__file__).resolve().parent / "checkpoint"
"""The diffusers directory to give to `StableDiffusionXLPipeline.from_pretrained`."""

__all__ = ["CHECKPOINT_DIR"]
