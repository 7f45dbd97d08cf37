"""Answers as tables, JSON and CSV."""

import io
import json

from rich.console import Console

from gameforge.log_tables import Format, write_result
from insights import Result

RESULT = Result(
    ("job_id", "seconds", "code", "missing", "message"),
    (("1234567890123456", "0.018047009999", "007", None, '[bold]a, "b"'), ("abc", 12, None, None, "two\nlines")),
)


def written(form: Format, *, terminal_width: int | None = None, result: Result = RESULT) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal_width is not None, width=terminal_width, color_system=None)
    write_result(result, form, console)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def test_a_table_is_as_wide_as_it_needs_where_nobody_looks_at_it() -> None:
    assert written(Format.TABLE).splitlines()[:2] == [
        "job_id            seconds  code  message",
        '1234567890123456    0.018   007  [bold]a, "b"',
    ]


def test_a_table_that_does_not_fit_the_window_is_a_block_a_row() -> None:
    assert written(Format.TABLE, terminal_width=100).splitlines()[0].split() == ["job_id", "seconds", "code", "message"]
    assert written(Format.TABLE, terminal_width=30).splitlines() == [
        *("row 1", "job_id   1234567890123456", "seconds  0.018", "code     007", 'message  [bold]a, "b"'),
        *("row 2", "job_id   abc", "seconds  12", "message  two", "         lines"),
    ]


def test_json_has_numbers_where_a_whole_column_is_of_numbers() -> None:
    assert json.loads(written(Format.JSON)) == [
        {"job_id": "1234567890123456", "seconds": 0.018047009999, "code": "007", "missing": None,
         "message": "[bold]a, \"b\""},
        {"job_id": "abc", "seconds": 12, "code": None, "missing": None, "message": "two\nlines"},
    ]  # fmt: skip
    assert json.loads(written(Format.JSON, result=Result(("a",), ()))) == []


def test_csv_quotes_what_needs_it() -> None:
    assert written(Format.CSV).splitlines()[:2] == [
        "job_id,seconds,code,missing,message",
        '1234567890123456,0.018047009999,007,,"[bold]a, ""b"""',
    ]
