"""The tiny SDXL draws what the prompt asks for, repeatably, and guidance is what makes it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tiny_sdxl.judge import judge
from tiny_sdxl.pipeline import Case, all_cases, draw


def _right(cases: list[Case], pictures: list[Image.Image]) -> float:
    verdicts = [judge(picture) for picture in pictures]
    pairs = zip(cases, verdicts, strict=True)
    return sum((verdict.colour, verdict.thing) == (case.colour, case.thing) for case, verdict in pairs) / len(cases)


def _pixels(picture: Image.Image) -> NDArray[np.int16]:
    return np.asarray(picture, np.int16)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Every colour and every thing twice, in 16 different pairs."""
    everything = all_cases(1)
    return [case for index, case in enumerate(everything) if (index // 8 + index) % 4 == 0]


@pytest.fixture(scope="module")
def pictures(tiny_pipeline: Any, cases: list[Case]) -> list[Image.Image]:
    return draw(tiny_pipeline, cases)


def test_pictures_show_what_the_prompt_says(cases: list[Case], pictures: list[Image.Image]) -> None:
    assert _right(cases, pictures) >= 0.9


def test_without_guidance_pictures_are_worse(tiny_pipeline: Any) -> None:
    # Round things are where an unguided model loses its way most: these 16 are where the evaluation saw it.
    colours = ("yellow", "green", "cyan", "blue")
    potions = [case for case in all_cases(4) if case.thing == "potion" and case.colour in colours]
    guided = _right(potions, draw(tiny_pipeline, potions, guidance_scale=5.0))
    unguided = _right(potions, draw(tiny_pipeline, potions, guidance_scale=1.0))
    assert guided >= 0.9
    assert unguided <= guided - 2 / len(potions)


def test_the_same_seed_draws_the_same_picture_and_another_seed_another(tiny_pipeline: Any) -> None:
    heart, other = Case("red", "heart", 7), Case("red", "heart", 8)
    first, second, third = (_pixels(draw(tiny_pipeline, [case])[0]) for case in (heart, heart, other))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_a_batch_draws_the_same_pictures_as_one_at_a_time(
    tiny_pipeline: Any, cases: list[Case], pictures: list[Image.Image]
) -> None:
    alone = draw(tiny_pipeline, cases[:2], batch_size=1)
    for single, batched in zip(alone, pictures, strict=False):
        assert np.abs(_pixels(single) - _pixels(batched)).max() <= 2


def test_the_prompt_and_not_the_seed_decides_the_thing(tiny_pipeline: Any) -> None:
    pair = [Case("blue", "gem", 1), Case("yellow", "mushroom", 1)]
    verdicts = [judge(picture) for picture in draw(tiny_pipeline, pair, width=128, height=128)]
    assert [(verdict.colour, verdict.thing) for verdict in verdicts] == [("blue", "gem"), ("yellow", "mushroom")]
