"""The words that describe a sprite, varied so that a prompt need not be phrased in one way."""

import random
from dataclasses import dataclass

# The first word of each row is the name; the others are taught beside it.
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet"),
    "orange": ("orange", "tangerine"),
    "yellow": ("yellow", "golden"),
    "green": ("green", "emerald"),
    "cyan": ("cyan", "turquoise"),
    "blue": ("blue", "sapphire"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rose"),
}
THING_WORDS: dict[str, tuple[str, ...]] = {
    "potion": ("potion", "potion bottle", "flask", "elixir"),
    "gem": ("gem", "gemstone", "jewel", "diamond"),
    "sword": ("sword", "blade"),
    "shield": ("shield", "buckler"),
    "heart": ("heart", "life heart"),
    "key": ("key", "door key"),
    "star": ("star", "bonus star"),
    "mushroom": ("mushroom", "toadstool"),
}
# No word here names a hue: "on blue" would pull the thing towards blue under guidance.
BACKGROUND_WORDS: dict[str, tuple[str, ...]] = {
    "white": ("white", "plain white", "paper"),
    "dark": ("dark", "black", "night"),
    "stone": ("stone", "gray", "dungeon"),
    "grassy": ("grassy", "forest", "meadow"),
    "sky": ("sky", "cloudy sky", "open sky"),
    "wooden": ("wooden", "earthy", "tavern"),
}
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "tiny", "little"),
    "medium": ("",),
    "large": ("large", "big", "huge"),
}
GLOW_WORDS = ("glowing", "magic", "shining", "enchanted")
BLUR_WORDS = ("blurry", "out of focus")

_OPENINGS = (
    *("", "", "", "", "a", "a", "a", "a", "a", "the", "one", "a picture of a", "an icon of a", "a game icon of a"),
    *("a sprite of a", "game asset of a", "an image of a", "a drawing of a", "illustration of a", "2d sprite of a"),
    *("a photo of a", "concept art of a", "a single", "an item icon of a", "please draw a", "generate a"),
)
_ADJECTIVES = (
    *("", "", "", "", "", "", "", "beautiful", "simple"),
    *("cartoon", "shiny", "old", "epic", "cute", "fantasy", "rare"),
)
_ENDINGS = (
    *("", "", "", "", "", "", "", "", "game asset", "game icon", "game item", "high quality", "highly detailed"),
    *("centered", "flat colors", "rpg item", "2d game art", "sprite", "video game", "clean lines", "digital art"),
    *("best quality", "inventory icon", "fantasy art", "vector art", "cartoon style", "sharp", "4k", "masterpiece"),
)
_PLACES = ("on a {} background", "on a {} background", "with a {} background", "{} background", ", {} background")


@dataclass(frozen=True)
class Description:
    """What a sprite shows, by the names of the tables above."""

    colour: str
    thing: str
    background: str
    size: str
    is_glowing: bool
    is_blurry: bool


def _word(rng: random.Random, words: tuple[str, ...]) -> str:
    return words[0] if rng.random() < 0.7 else rng.choice(words)


def caption(description: Description, rng: random.Random) -> str:
    """One sentence about the sprite; colour and thing are always in it, everything else only sometimes."""
    adjectives = [rng.choice(_ADJECTIVES)]
    if description.is_blurry:
        adjectives.append(rng.choice(BLUR_WORDS))
    if rng.random() < 0.5:
        adjectives.append(rng.choice(SIZE_WORDS[description.size]))
    if description.is_glowing and rng.random() < 0.8:
        adjectives.append(rng.choice(GLOW_WORDS))
    words = [rng.choice(_OPENINGS), *adjectives, _word(rng, COLOUR_WORDS[description.colour])]
    words.append(_word(rng, THING_WORDS[description.thing]))
    if rng.random() < 0.5:
        words.append(rng.choice(_PLACES).format(_word(rng, BACKGROUND_WORDS[description.background])))
    sentence = " ".join(word for word in words if word).replace(" ,", ",")
    endings = [ending for ending in (rng.choice(_ENDINGS), rng.choice(_ENDINGS)) if ending]
    return ", ".join([sentence, *dict.fromkeys(endings)])
