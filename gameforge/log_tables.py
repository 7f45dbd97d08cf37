"""Shows the answer of a query: as a table for people, as JSON or CSV for programs."""

import csv
import io
import json
import re
from enum import StrEnum
from typing import Final

from rich.console import Console
from rich.table import Table

from insights import Result

Cell = str | int | float | None

# Texts of whole columns of these become numbers in JSON; longer ones would lose digits.
_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,3})?")
# Wide enough for whatever reads the table from a pipe.
_PIPE_WIDTH: Final = 10_000


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def write_result(result: Result, form: Format, console: Console) -> None:
    """Write the answer to `console`."""
    if form is Format.TABLE:
        width = None if console.is_terminal else _PIPE_WIDTH
        console.print(_table(result), width=width, crop=False)
        return
    text = _json(result) if form is Format.JSON else _csv(result)
    console.print(text, markup=False, highlight=False, soft_wrap=True, end="")


def _table(result: Result) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(result.columns):
        is_number = _are_numbers([row[index] for row in result.rows])
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in result.rows:
        table.add_row(*map(_shown, row))
    return table


def _json(result: Result) -> str:
    columns = []
    for index in range(len(result.columns)):
        values = [row[index] for row in result.rows]
        columns.append([_number(value) for value in values] if _are_numbers(values) else values)
    records = [dict(zip(result.columns, row, strict=True)) for row in zip(*columns, strict=True)]
    return json.dumps(records, indent=2, ensure_ascii=False) + "\n"


def _csv(result: Result) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([result.columns, *result.rows])
    return file.getvalue()


def _are_numbers(values: list[Cell]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(not isinstance(value, str) or _NUMBER.fullmatch(value) for value in present)


def _number(value: Cell) -> Cell:
    return json.loads(value) if isinstance(value, str) and _is_json(value) else value


def _is_json(text: str) -> bool:
    # 007 is a number to Logs Insights, and none in JSON.
    return re.match(r"-?(0(?!\d)|[1-9])", text) is not None


def _shown(value: Cell) -> str:
    if value is None:
        return ""
    number = float(value) if isinstance(value, float) or (isinstance(value, str) and _is_long(value)) else None
    if number is None:
        return str(value)
    # Enough digits to tell values apart, and no more.
    return f"{number:.3f}" if abs(number) >= 0.1 else f"{number:.3g}"


def _is_long(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and "." in text
