"""The outlines of the things that sprites show, as polygons in a unit circle."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Tone = Literal["base", "light", "pale", "dark", "steel", "wood", "cream", "hole"]


@dataclass(frozen=True)
class Part:
    """One filled polygon: x to the right and y down, the unit circle around the origin is the room there is.

    `outlined` draws an ink line around it; the tone "hole" makes the picture transparent there.
    """

    points: tuple[Point, ...]
    tone: Tone
    outlined: bool = False


def _ellipse(
    x: float, y: float, radius_x: float, radius_y: float, start: float = 0, stop: float = 360
) -> tuple[Point, ...]:
    """An ellipse, or the arc of it between two angles in degrees, clockwise from the right."""
    steps = 40
    angles = (math.radians(start + (stop - start) * step / steps) for step in range(steps + 1))
    return tuple((x + radius_x * math.cos(angle), y + radius_y * math.sin(angle)) for angle in angles)


def _box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _scaled(points: tuple[Point, ...], factor: float, x: float = 0.0, y: float = 0.0) -> tuple[Point, ...]:
    return tuple((x + factor * (px - x), y + factor * (py - y)) for px, py in points)


def _potion() -> list[Part]:
    body = _ellipse(0, 0.3, 0.66, 0.64)
    shadow = _ellipse(0, 0.3, 0.66, 0.64, 20, 160) + tuple(reversed(_ellipse(0, 0.2, 0.58, 0.56, 20, 160)))
    return [
        Part(_box(-0.16, -0.98, 0.16, -0.66), "wood", outlined=True),
        Part(_box(-0.19, -0.68, 0.19, -0.22), "steel", outlined=True),
        Part(body, "base", outlined=True),
        Part(shadow, "dark"),
        Part(_ellipse(-0.26, 0.08, 0.14, 0.19), "pale"),
        Part(_box(-0.28, -0.78, 0.28, -0.62), "steel", outlined=True),
    ]


def _gem() -> list[Part]:
    girdle, crown, tip = -0.2, -0.62, (0.0, 0.86)
    outline: tuple[Point, ...] = ((-0.92, girdle), (-0.5, crown), (0.5, crown), (0.92, girdle), tip)
    return [
        Part(outline, "base", outlined=True),
        Part(((-0.92, girdle), (-0.5, crown), (-0.34, girdle)), "light"),
        Part(((-0.5, crown), (0, crown), (-0.34, girdle)), "pale"),
        Part(((0, crown), (0.34, girdle), (-0.34, girdle)), "light"),
        Part(((0.92, girdle), (0.5, crown), (0.34, girdle)), "dark"),
        Part(((-0.92, girdle), (-0.34, girdle), tip), "light"),
        Part(((0.92, girdle), (0.34, girdle), tip), "dark"),
    ]


def _sword() -> list[Part]:
    blade: tuple[Point, ...] = ((-0.17, 0.36), (-0.17, -0.72), (0, -1.0), (0.17, -0.72), (0.17, 0.36))
    return [
        Part(_box(-0.08, 0.4, 0.08, 0.82), "wood", outlined=True),
        Part(_ellipse(0, 0.87, 0.13, 0.13), "wood", outlined=True),
        Part(blade, "base", outlined=True),
        Part(((-0.17, 0.36), (-0.17, -0.72), (0, -1.0), (0, 0.36)), "light"),
        Part(_box(-0.46, 0.32, 0.46, 0.48), "wood", outlined=True),
    ]


def _shield() -> list[Part]:
    right: tuple[Point, ...] = ((0.4, -0.8), (0.72, -0.7), (0.72, 0.05), (0.6, 0.42), (0.34, 0.74), (0, 0.96))
    outline = ((0.0, -0.86), *right, *((-x, y) for x, y in reversed(right[:-1])))
    face = _scaled(outline, 0.8)
    left_half = tuple(point for point in face if point[0] <= 0)
    return [
        Part(outline, "steel", outlined=True),
        Part(face, "base", outlined=True),
        Part(left_half, "light"),
        Part(_box(-0.09, -0.48, 0.09, 0.5), "cream"),
        Part(_box(-0.36, -0.2, 0.36, -0.02), "cream"),
    ]


def _heart() -> list[Part]:
    outline = []
    for step in range(60):
        angle = 2 * math.pi * step / 60
        x = 16 * math.sin(angle) ** 3
        y = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)
        outline.append((x / 17.5, -y / 17.5 - 0.08))
    return [
        Part(tuple(outline), "dark", outlined=True),
        Part(_scaled(tuple(outline), 0.88, -0.05, -0.12), "base"),
        Part(_ellipse(-0.42, -0.4, 0.17, 0.13), "pale"),
    ]


def _key() -> list[Part]:
    return [
        Part(_box(-0.1, -0.3, 0.1, 0.98), "base", outlined=True),
        Part(_box(0.08, 0.42, 0.42, 0.58), "base", outlined=True),
        Part(_box(0.08, 0.74, 0.48, 0.92), "base", outlined=True),
        Part(_box(-0.1, -0.3, 0.0, 0.98), "light"),
        Part(_ellipse(0, -0.56, 0.42, 0.42), "base", outlined=True),
        Part((*_ellipse(0, -0.56, 0.36, 0.36, 150, 280), (0.0, -0.56)), "light"),
        Part(_ellipse(0, -0.56, 0.19, 0.19), "hole", outlined=True),
    ]


def _star() -> list[Part]:
    def corner(index: int) -> Point:
        radius = 0.98 if index % 2 == 0 else 0.43
        angle = math.radians(36 * index - 90)
        return (radius * math.cos(angle), radius * math.sin(angle) + 0.06)

    center = (0.0, 0.06)
    facets = [Part((corner(index - 1), corner(index), center), "light") for index in range(0, 10, 2)]
    return [Part(tuple(corner(index) for index in range(10)), "base", outlined=True), *facets]


def _mushroom() -> list[Part]:
    cap = _ellipse(0, 0.05, 0.94, 0.9, 180, 360) + _ellipse(0, 0.05, 0.94, 0.17, 0, 180)
    stem: tuple[Point, ...] = ((-0.28, 0.1), (0.28, 0.1), (0.36, 0.8), (0.2, 0.92), (-0.2, 0.92), (-0.36, 0.8))
    return [
        Part(stem, "cream", outlined=True),
        Part(cap, "base", outlined=True),
        Part(_ellipse(0, 0.05, 0.94, 0.17, 0, 180), "dark"),
        Part(_ellipse(-0.46, -0.28, 0.16, 0.17), "cream"),
        Part(_ellipse(0.06, -0.5, 0.2, 0.17), "cream"),
        Part(_ellipse(0.54, -0.2, 0.15, 0.16), "cream"),
    ]


@dataclass(frozen=True)
class Outline:
    """How to draw a thing, and how far it may lean to either side (degrees)."""

    parts: Callable[[], list[Part]]
    lean_degrees: float


OUTLINES: dict[str, Outline] = {
    "potion": Outline(_potion, 12),
    "gem": Outline(_gem, 12),
    "sword": Outline(_sword, 45),
    "shield": Outline(_shield, 8),
    "heart": Outline(_heart, 12),
    "key": Outline(_key, 40),
    "star": Outline(_star, 18),
    "mushroom": Outline(_mushroom, 10),
}
