"""Lays pictures out as a labelled sheet: a row a thing, a column a colour."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from tiny_sdxl.pipeline import Case
from tiny_sdxl.sprites import COLOURS, THINGS

_CELL_PIXELS = 84
_GAP_PIXELS = 6
_LABEL_PIXELS = 104
_HEAD_PIXELS = 64
_PAPER = (250, 249, 247)
_TEXT = (40, 38, 44)
_FAINT_TEXT = (120, 116, 126)


def labelled_sheet(cases: Sequence[Case], pictures: Sequence[Image.Image]) -> Image.Image:
    """One RGB sheet of all pictures; several seeds of a colour stand side by side in its column.

    `cases` must hold every colour of every thing equally often, in the order of `all_cases`.
    """
    seeds = len(cases) // (len(COLOURS) * len(THINGS))
    column = seeds * (_CELL_PIXELS + 2) + _GAP_PIXELS - 2
    row = _CELL_PIXELS + _GAP_PIXELS
    sheet = Image.new("RGB", (_LABEL_PIXELS + len(COLOURS) * column, _HEAD_PIXELS + len(THINGS) * row), _PAPER)
    pen = ImageDraw.Draw(sheet)
    title, label = ImageFont.load_default(15), ImageFont.load_default(17)
    pen.text((_GAP_PIXELS * 2, 16), 'prompt: "a {colour} {thing}"', _FAINT_TEXT, title, anchor="lm")
    for index, colour in enumerate(COLOURS):
        center = _LABEL_PIXELS + index * column + (column - _GAP_PIXELS) // 2
        pen.text((center, _HEAD_PIXELS - 16), colour, _TEXT, label, anchor="mm")
    for index, thing in enumerate(THINGS):
        middle = _HEAD_PIXELS + index * row + _CELL_PIXELS // 2
        pen.text((_GAP_PIXELS * 2, middle), thing, _TEXT, label, anchor="lm")
    for index, (case, picture) in enumerate(zip(cases, pictures, strict=True)):
        left = _LABEL_PIXELS + COLOURS.index(case.colour) * column + index % seeds * (_CELL_PIXELS + 2)
        top = _HEAD_PIXELS + THINGS.index(case.thing) * row
        sheet.paste(picture.resize((_CELL_PIXELS, _CELL_PIXELS), Image.Resampling.LANCZOS), (left, top))
    return sheet
