"""Trains the judge's classifier on sprites of its own, worsened to resemble pictures that a model made."""

# mypy: allow-untyped-calls
# (torch and diffusers leave these unannotated.)

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from tiny_sdxl.judge import build_classifier, judge, judge_tensor
from tiny_sdxl.progress import Progress
from tiny_sdxl.sprites import THINGS, draw_sprite

_STEPS = 900
_BATCH = 64
_LEARNING_RATE = 2e-3
# Seeds below the training set's, whose first is 10,000,000; the accuracy is measured on others again.
_FIRST_SEED = 1_000_000
_FRESH_SEED = 5_000_000


def _batch(step: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    pictures, things = [], []
    for index in range(_BATCH):
        sprite = draw_sprite(_FIRST_SEED + step * _BATCH + index)
        pictures.append(judge_tensor(sprite.image))
        things.append(THINGS.index(sprite.description.thing))
    clean = torch.cat(pictures)
    # The eye must not depend on the hue, nor on the crispness that only a drawn sprite has.
    shuffled = clean[:, torch.randperm(3, generator=rng)]
    noise = torch.rand(_BATCH, 1, 1, 1, generator=rng) * 0.25
    coarse = functional.interpolate(functional.avg_pool2d(shuffled, 2), scale_factor=2.0, mode="bilinear")
    picked = torch.where(torch.rand(_BATCH, 1, 1, 1, generator=rng) < 0.4, coarse, shuffled)
    return picked + noise * torch.randn(clean.shape, generator=rng), torch.tensor(things)


def train_judge(path: Path) -> None:
    """Train on sprites drawn as they are needed and save the weights as float16 safetensors in `path`."""
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    classifier = build_classifier()
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=_LEARNING_RATE, weight_decay=1e-2)
    progress = Progress("judge", _STEPS)
    for step in range(_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * (0.5 + 0.5 * math.cos(math.pi * step / _STEPS))
        pictures, things = _batch(step, rng)
        loss = functional.cross_entropy(classifier(pictures), things, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress.show(step + 1, f"loss {loss.item():.3f}")
    save_file({name: value.half().contiguous() for name, value in classifier.state_dict().items()}, path)


def fresh_accuracy(count: int) -> tuple[float, float]:
    """How often the judge is right about colour and about thing on `count` sprites that it has never seen, 0..1."""
    colours = things = 0
    for seed in range(_FRESH_SEED, _FRESH_SEED + count):
        sprite = draw_sprite(seed, *((64, 64) if seed % 2 else (128, 128)))
        verdict = judge(sprite.image)
        colours += verdict.colour == sprite.description.colour
        things += verdict.thing == sprite.description.thing
    return colours / count, things / count
