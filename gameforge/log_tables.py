"""Shows the answer of a query: as a table for people, as JSON or CSV for programs."""

import csv
import io
import json
import re
from enum import StrEnum
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from insights import Result

Cell = str | int | float | None

# Texts of whole columns of these become numbers in JSON; longer ones would lose digits.
_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,20})?([eE][+-]?\d{1,3})?")
# Wide enough for whatever reads a table from a pipe.
PIPE_WIDTH: Final = 10_000


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def write_result(result: Result, form: Format, console: Console) -> None:
    """Write the answer to `console`."""
    if form is Format.TABLE:
        _write_table(result, console)
        return
    text = _json(result) if form is Format.JSON else _csv(result)
    console.print(text, markup=False, highlight=False, soft_wrap=True, end="")


def _write_table(result: Result, console: Console) -> None:
    """As a table, or as one block a row where the window is too narrow for it; columns without a value are left out."""
    columns = list(zip(*result.rows, strict=True)) or [()] * len(result.columns)
    filled = [index for index, values in enumerate(columns) if not result.rows or any(v is not None for v in values)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index in filled:
        is_number = _are_numbers(list(columns[index]))
        table.add_column(result.columns[index], justify="right" if is_number else "left", no_wrap=True)
    for row in result.rows:
        table.add_row(*(escape(_shown(row[index])) for index in filled))
    wide = Console(file=console.file, width=PIPE_WIDTH, highlight=False)
    if not console.is_terminal:
        wide.print(table)
    elif wide.measure(table).maximum <= console.width:
        console.print(table)
    else:
        _write_blocks(result, filled, console)


def _write_blocks(result: Result, filled: list[int], console: Console) -> None:
    for number, row in enumerate(result.rows, start=1):
        block = Table(box=None, pad_edge=False, show_header=False, title=f"row {number}", title_justify="left")
        block.add_column(style="bold")
        block.add_column(overflow="fold")
        for index in filled:
            if row[index] is not None:
                block.add_row(result.columns[index], escape(_shown(row[index])))
        console.print(block)


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
