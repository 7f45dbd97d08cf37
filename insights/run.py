"""Runs a query over log lines, in DuckDB."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb

from insights.errors import QueryError, Span
from insights.functions import NOW
from insights.lines import LogLine, discovered, shapes
from insights.query import Query
from insights.to_sql import Statement, translate
from insights.values import MACROS, WHOLE_MAX, Type, raise_failed

Cell = str | int | float | None

# Of the laptop cloud; `@log` is the account and the group.
ACCOUNT_ID: Final = "000000000000"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Result:
    """The columns' names, and the rows; a time is a text as CloudWatch writes it, and what is missing is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def run(query: Query, lines: Iterable[LogLine], *, start: datetime, end: datetime) -> Result:
    """The answer of a query over the lines from `start` to `end`; both have a time zone, and both are included.

    Raises `QueryError` where the values in the lines make the answer uncertain.
    """
    # The first whole millisecond that is not before the start, and the last one that is not after the end.
    earliest, latest = -((_EPOCH - start) // _MILLISECOND), (end - _EPOCH) // _MILLISECOND
    chosen = [line for line in lines if earliest <= line.timestamp_ms <= latest]
    found = [discovered(line) for line in chosen]
    try:
        statement = translate(query.commands, shapes(found))
        return _execute(statement, chosen, found)
    except QueryError as error:
        raise error.of(query.text) from None


def _execute(statement: Statement, lines: list[LogLine], found: list[dict[str, str]]) -> Result:
    parameters = {**statement.parameters, **({"now": time.time() // 1} if NOW in statement.sql else {})}
    with duckdb.connect() as database:
        for macro in MACROS:
            database.execute(macro)
        _load(database, statement, lines, found)
        try:
            rows = database.execute(statement.sql, parameters).fetchall()
        except duckdb.Error as error:
            if "insights:" in str(error):
                raise_failed(str(error))
            raise QueryError(str(error), Span(0, 0)) from error
    shown = tuple(tuple(map(_cell, row, statement.types)) for row in rows)
    return Result(statement.columns, shown)


def _load(
    database: duckdb.DuckDBPyConnection, statement: Statement, lines: list[LogLine], found: list[dict[str, str]]
) -> None:
    columns: dict[str, tuple[str, list[Cell]]] = {
        "line": ("BIGINT", list(range(len(lines)))),
        "time": ("BIGINT", [line.timestamp_ms for line in lines]),
    }
    for name, column in statement.log_fields.items():
        kind = "BIGINT" if name in ("@timestamp", "@ingestionTime") else "VARCHAR"
        columns[column] = (kind, [_field(name, line, fields) for line, fields in zip(lines, found, strict=True)])
    unnested = ", ".join(f"unnest(${name}::{kind}[]) AS {name}" for name, (kind, _) in columns.items())
    database.execute(
        f"CREATE TABLE lines AS SELECT {unnested}", {name: values for name, (_, values) in columns.items()}
    )


def _field(name: str, line: LogLine, fields: dict[str, str]) -> Cell:
    match name:
        case "@timestamp":
            return line.timestamp_ms
        case "@ingestionTime":
            return line.ingestion_ms
        case "@message":
            return line.message
        case "@logStream":
            return line.log_stream
        case "@log":
            return f"{ACCOUNT_ID}:{line.log_group}"
    return fields.get(name)


def _cell(value: Cell | bool, kind: Type) -> Cell:
    if value is None:
        return None
    if kind is Type.TIME:
        moment = datetime.fromtimestamp(int(value) / 1000, UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{int(value) % 1000:03}"
    if kind is Type.BOOLEAN:
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < WHOLE_MAX else value
    return value
