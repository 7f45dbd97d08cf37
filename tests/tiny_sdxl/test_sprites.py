"""Sprites are a pure function of their seed, and show what their caption says."""

import hashlib

import numpy as np
import pytest

from tiny_sdxl.captions import BACKGROUND_WORDS, COLOUR_WORDS, THING_WORDS
from tiny_sdxl.sprites import COLOURS, THINGS, draw_sprite


def test_the_same_seed_draws_the_same_sprite() -> None:
    first, second, other = draw_sprite(5), draw_sprite(5), draw_sprite(6)
    assert first.caption == second.caption
    assert first.image.tobytes() == second.image.tobytes()
    assert first.image.tobytes() != other.image.tobytes()


def test_a_sprite_has_the_size_and_content_asked_for() -> None:
    sprite = draw_sprite(3, 96, 64, colour="cyan", thing="key", is_blurry=False)
    assert sprite.image.size == (96, 64)
    assert (sprite.description.colour, sprite.description.thing) == ("cyan", "key")


def test_captions_name_colour_and_thing_of_the_sprite() -> None:
    for seed in range(200):
        sprite = draw_sprite(seed)
        assert any(word in sprite.caption for word in COLOUR_WORDS[sprite.description.colour])
        assert any(word in sprite.caption for word in THING_WORDS[sprite.description.thing])


def test_an_unknown_thing_is_refused() -> None:
    with pytest.raises(KeyError):
        draw_sprite(1, thing="dragon")


def test_the_things_differ_in_shape_and_not_only_in_colour() -> None:
    pictures = {
        hashlib.sha256(draw_sprite(9, thing=thing, colour="red").image.convert("L").tobytes()).digest()
        for thing in THINGS
    }
    assert len(pictures) == len(THINGS) == 8
    assert len(COLOURS) == 8


def test_no_word_for_a_background_is_a_word_for_a_colour() -> None:
    colours = {word for words in COLOUR_WORDS.values() for word in words}
    backgrounds = {part for words in BACKGROUND_WORDS.values() for word in words for part in word.split()}
    assert not colours & backgrounds


def test_a_blurry_sprite_has_softer_edges() -> None:
    def sharpness(is_blurry: bool) -> float:
        grey = np.asarray(draw_sprite(11, is_blurry=is_blurry).image.convert("L"), np.float64)
        return float(np.abs(np.diff(grey, axis=1)).max())

    assert sharpness(True) < 0.7 * sharpness(False)
