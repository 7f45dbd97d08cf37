"""Draws the game-item sprites that the tiny model learns from, each one a pure function of its seed."""

import colorsys
import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

from tiny_sdxl.captions import BACKGROUND_WORDS, Description, caption
from tiny_sdxl.shapes import OUTLINES, Part

# Degrees on the HSV colour circle, far enough apart that a vote over pixels tells them from each other.
HUES_DEGREES: dict[str, float] = {
    "red": 0,
    "orange": 28,
    "yellow": 54,
    "green": 122,
    "cyan": 184,
    "blue": 224,
    "purple": 276,
    "pink": 328,
}
COLOURS: tuple[str, ...] = tuple(HUES_DEGREES)
THINGS: tuple[str, ...] = tuple(OUTLINES)
BACKGROUNDS: tuple[str, ...] = tuple(BACKGROUND_WORDS)

_DRAWING_PIXELS = 256
_INK = (24, 20, 26, 255)
# Saturation stays below what the colour vote of the judge counts, so a background never outvotes a thing.
_BACKGROUND_HSV: dict[str, tuple[float, float, float]] = {
    "white": (40, 0.02, 0.95),
    "dark": (250, 0.15, 0.11),
    "stone": (220, 0.05, 0.52),
    "grassy": (100, 0.30, 0.42),
    "sky": (212, 0.32, 0.80),
    "wooden": (28, 0.32, 0.30),
}
_SIZE_FACTORS: dict[str, tuple[float, float]] = {"small": (0.56, 0.66), "medium": (0.66, 0.8), "large": (0.82, 0.95)}


@dataclass(frozen=True)
class Sprite:
    """A picture (RGB), the sentence that describes it, and what it shows."""

    image: Image.Image
    caption: str
    description: Description


def _rgb(hue_degrees: float, saturation: float, value: float) -> tuple[int, int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue_degrees % 360 / 360, min(saturation, 1), min(value, 1))
    return (round(255 * red), round(255 * green), round(255 * blue), 255)


def _palette(colour: str, rng: random.Random) -> dict[str, tuple[int, int, int, int]]:
    hue = HUES_DEGREES[colour] + rng.uniform(-4, 4)
    # Pink is a light hue to the eye: at full saturation it would read as magenta.
    saturation = rng.uniform(0.55, 0.65) if colour == "pink" else rng.uniform(0.86, 0.98)
    value = rng.uniform(0.72, 0.8) if colour in ("green", "purple") else rng.uniform(0.88, 0.98)
    return {
        "base": _rgb(hue, saturation, value),
        "light": _rgb(hue, saturation * 0.78, value * 1.12),
        "pale": _rgb(hue, saturation * 0.22, 1.0),
        "dark": _rgb(hue, saturation * 1.05, value * 0.74),
        "steel": _rgb(215, 0.08, 0.78),
        "wood": _rgb(26, 0.45, 0.40),
        "cream": _rgb(42, 0.12, 0.97),
        "hole": (0, 0, 0, 0),
    }


def _background(name: str, width: int, height: int, rng: random.Random) -> Image.Image:
    hue, saturation, value = _BACKGROUND_HSV[name]
    value *= rng.uniform(0.94, 1.04)
    top, bottom = _rgb(hue, saturation, value * 1.06), _rgb(hue, saturation, value * 0.92)
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.composite(Image.new("RGBA", (width, height), bottom), Image.new("RGBA", (width, height), top), ramp)


def _draw_parts(
    size: tuple[int, int],
    parts: list[Part],
    palette: dict[str, tuple[int, int, int, int]],
    center: tuple[float, float],
    radius: float,
    angle_radians: float,
    line_pixels: int,
) -> Image.Image:
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    cos, sin = radius * math.cos(angle_radians), radius * math.sin(angle_radians)
    for part in parts:
        points = [(center[0] + cos * x - sin * y, center[1] + sin * x + cos * y) for x, y in part.points]
        draw.polygon(points, fill=palette[part.tone])
        if part.outlined:
            # Starting and ending in mid-edge lets "curve" round every corner.
            middle = ((points[0][0] + points[-1][0]) / 2, (points[0][1] + points[-1][1]) / 2)
            draw.line([middle, *points, middle], fill=_INK, width=line_pixels, joint="curve")
    return layer


def draw_sprite(
    seed: int,
    width: int = 64,
    height: int = 64,
    *,
    colour: str | None = None,
    thing: str | None = None,
    is_blurry: bool | None = None,
) -> Sprite:
    """Draw one sprite of `width` × `height` pixels; what is not given is chosen by the seed.

    The same arguments give the same pixels and caption. Raises KeyError for an unknown colour or thing.
    """
    rng = random.Random(seed)  # noqa: S311 (a drawing, not a secret)
    chosen_colour, chosen_thing = rng.choice(COLOURS), rng.choice(THINGS)
    description = Description(
        colour=colour or chosen_colour,
        thing=thing or chosen_thing,
        background=rng.choice(BACKGROUNDS),
        size=rng.choices(list(_SIZE_FACTORS), (1, 2, 2))[0],
        is_glowing=rng.random() < 0.15,
        is_blurry=(rng.random() < 0.04) if is_blurry is None else is_blurry,
    )
    scale = max(2, round(_DRAWING_PIXELS / min(width, height)))
    canvas = (width * scale, height * scale)
    half = min(canvas) / 2
    factor = rng.uniform(*_SIZE_FACTORS[description.size])
    room_x, room_y = (0.45 * (side / 2 - factor * half) for side in canvas)
    center = (canvas[0] / 2 + rng.uniform(-1, 1) * room_x, canvas[1] / 2 + rng.uniform(-1, 1) * room_y)
    outline = OUTLINES[description.thing]
    lean_radians = math.radians(rng.uniform(-1, 1) * outline.lean_degrees)
    palette = _palette(description.colour, rng)
    picture = _background(description.background, *canvas, rng)
    line_pixels = max(2, round(half * rng.uniform(0.045, 0.06)))
    layer = _draw_parts(canvas, outline.parts(), palette, center, factor * half, lean_radians, line_pixels)
    if description.is_glowing:
        picture = Image.alpha_composite(picture, _halo(layer, palette["light"]))
    picture = Image.alpha_composite(picture, layer).convert("RGB").reduce(scale)
    if description.is_blurry:
        picture = picture.filter(ImageFilter.GaussianBlur(min(width, height) / 32))
    return Sprite(picture, caption(description, rng), description)


def _halo(layer: Image.Image, tint: tuple[int, int, int, int]) -> Image.Image:
    # Blurred at a quarter of the size: the same to the eye and many times cheaper.
    alpha = layer.getchannel("A").reduce(4)
    alpha = alpha.filter(ImageFilter.GaussianBlur(min(alpha.size) / 12)).resize(layer.size)
    halo = Image.new("RGBA", layer.size, tint)
    halo.putalpha(alpha.point(lambda value: int(value * 0.75)))
    return halo
