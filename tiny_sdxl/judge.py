"""Says what a picture shows: a small classifier names the thing, and the pixels vote on the colour."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from tiny_sdxl.sprites import COLOURS, HUES_DEGREES, THINGS

JUDGE_PATH = Path(__file__).resolve().parent / "judge.safetensors"
_PIXELS = 64
_VIEWS = 5
# Backgrounds, ink, wood and steel are duller or darker than this, whatever their hue.
_MINIMUM_SATURATION = 0.42
_MINIMUM_VALUE = 0.45


@dataclass(frozen=True)
class Verdict:
    """What the judge sees, and how sure it is.

    `colour_share` is the part of the coloured pixels that agree, `thing_probability` the classifier's; both 0..1.
    """

    colour: str
    thing: str
    colour_share: float
    thing_probability: float


def build_classifier() -> nn.Sequential:
    """An untrained classifier of things: N × 3 × 64 × 64 in -1..1 to N × 8 logits, in the order of THINGS."""
    layers: list[nn.Module] = []
    channels = 3
    for width in (16, 32, 48, 64):
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.GroupNorm(8, width), nn.SiLU()]
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.SiLU()]
        channels = width
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, len(THINGS))]
    return nn.Sequential(*layers)


def judge_tensor(image: Image.Image) -> Tensor:
    """The classifier's input, views × 3 × 64 × 64: one view of a square picture, else five along the longer side."""
    side = min(image.size)
    picture, views = image.convert("RGB"), 1 if image.width == image.height else _VIEWS
    squares = []
    for view in range(views):
        place = view / (views - 1) if views > 1 else 0.0
        left, top = (image.width - side) * place, (image.height - side) * place
        box = (left, top, left + side, top + side)
        squares.append(np.asarray(picture.resize((_PIXELS, _PIXELS), Image.Resampling.BOX, box)))
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 127.5 - 1


@cache
def _classifier() -> nn.Sequential:
    classifier = build_classifier()
    classifier.load_state_dict({name: value.float() for name, value in load_file(JUDGE_PATH).items()})
    return classifier.eval()


def _colour_votes(image: Image.Image) -> NDArray[np.float64]:
    hsv = np.asarray(image.convert("HSV"), np.float64) / 255
    hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
    counted = (saturation > _MINIMUM_SATURATION) & (value > _MINIMUM_VALUE)
    distance = np.stack([np.abs((hue * 360 - HUES_DEGREES[name] + 180) % 360 - 180) for name in COLOURS])
    nearest = distance.argmin(axis=0)
    weight = np.where(counted, saturation * value, 0)
    return np.array([weight[nearest == index].sum() for index in range(len(COLOURS))])


def judge(image: Image.Image) -> Verdict:
    """Name the colour and the thing in a picture of any size.

    Where no pixel has a clear hue the colour is "none" with a share of 0. Raises FileNotFoundError
    when the classifier's weights are missing.
    """
    with torch.inference_mode():
        # Of several views the surest counts: the others cut the thing.
        probabilities = _classifier()(judge_tensor(image)).softmax(1).amax(0)
    thing = int(probabilities.argmax())
    votes = _colour_votes(image)
    total = float(votes.sum())
    colour = COLOURS[int(votes.argmax())] if total > 0 else "none"
    share = float(votes.max()) / total if total > 0 else 0.0
    return Verdict(colour, THINGS[thing], share, float(probabilities[thing]))
