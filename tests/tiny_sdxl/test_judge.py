"""The judge is right about sprites that it has never seen, and fooled by nothing that is not there."""

import pytest
from PIL import Image

from tiny_sdxl.judge import judge
from tiny_sdxl.judge_training import fresh_accuracy
from tiny_sdxl.sprites import COLOURS, THINGS, draw_sprite


def test_the_judge_is_right_on_fresh_sprites() -> None:
    colour, thing = fresh_accuracy(200)
    assert colour >= 0.98
    assert thing >= 0.97


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (256, 256), (192, 128), (64, 96)])
def test_the_judge_reads_pictures_of_any_size(size: tuple[int, int]) -> None:
    pairs = list(zip(COLOURS, THINGS, strict=True))
    for seed, (colour, thing) in enumerate(pairs):
        verdict = judge(draw_sprite(200 + seed, *size, colour=colour, thing=thing, is_blurry=False).image)
        assert (verdict.colour, verdict.thing) == (colour, thing)


def test_a_grey_picture_has_no_colour() -> None:
    verdict = judge(Image.new("RGB", (64, 64), (128, 128, 128)))
    assert verdict.colour == "none"
    assert verdict.colour_share == 0


def test_the_colour_is_that_of_the_thing_and_not_of_the_background() -> None:
    verdicts = [judge(draw_sprite(seed, colour="red", thing="key").image).colour for seed in range(300, 340)]
    assert verdicts.count("red") >= 39
