"""The functions of `stats`, and what each is in SQL."""

from collections.abc import Callable
from typing import Final

from insights.errors import NotInSubsetError, QueryError
from insights.syntax import Call, Expression, Number
from insights.values import TEXTS, Type, Value, failing

# The time of a line and its place among those of the same time, in the table of lines.
_MOMENT: Final = "row(time, line)"


def aggregate_sql(call: Call, value_of: Callable[[Expression], Value], *, of_lines: bool) -> tuple[str, Type]:
    """An aggregate in SQL, and its type. `of_lines`: the rows are log lines, which have a time. Raises `QueryError`."""
    wanted = {"count": (0, 1), "pct": (2,)}.get(call.name, (1,))
    if len(call.arguments) not in wanted:
        raise QueryError(f"{call.name} takes {' or '.join(map(str, wanted))} arguments", call.span)
    if not call.arguments:
        return "count(*)", Type.NUMBER
    value = value_of(call.arguments[0])
    match call.name:
        case "count" | "count_distinct":
            if value.type is Type.BOOLEAN:
                raise NotInSubsetError(
                    f"whether {call.name} counts what is false is not documented; write sum(...)", value.span
                )
            distinct = "DISTINCT " if call.name == "count_distinct" else ""
            return f"count({distinct}{value.sql})", Type.NUMBER
        case "sum" | "avg":
            return f"{call.name}({value.number()})", Type.NUMBER
        case "min" | "max":
            return _extreme(call.name, value)
        case "pct":
            return _percentile(value, call.arguments[1])
        case "earliest" | "latest":
            return _at_end_of_time(call, value, of_lines)
    ends = {"sortsfirst": "min", "sortslast": "max"}[call.name]
    if value.type in TEXTS:
        return f"arg_{ends}({value.sql}, sort_key({value.sql}))", value.type
    return f"{ends}({value.sql})", value.type


def _extreme(name: str, value: Value) -> tuple[str, Type]:
    if value.type not in TEXTS:
        return f"{name}({value.sql})", value.type
    other = {"min": "sortsFirst", "max": "sortsLast"}[name]
    stop = failing(f"{name} is of numbers, and a line has a text here; for texts there is {other}", value.span)
    is_text = f"{value.sql} IS NOT NULL AND {value.number()} IS NULL"
    return f"{name}(CASE WHEN {is_text} THEN {stop} ELSE {value.number()} END)", Type.NUMBER


def _percentile(value: Value, percent: Expression) -> tuple[str, Type]:
    if not isinstance(percent, Number) or not 0 <= float(percent.value) <= 100:
        raise QueryError("the second argument of pct is a number from 0 to 100", percent.span)
    if value.type is Type.TIME:
        return f"quantile_disc({value.sql}, {float(percent.value) / 100!r})", Type.TIME
    return f"quantile_disc({value.number()}, {float(percent.value) / 100!r})", Type.NUMBER


def _at_end_of_time(call: Call, value: Value, of_lines: bool) -> tuple[str, Type]:
    if not of_lines:
        raise QueryError(f"{call.name} is about lines; after stats they are gone", call.span)
    ends = {"earliest": "min", "latest": "max"}[call.name]
    found = f"arg_{ends}({value.sql}, {_MOMENT})"
    missing = f"arg_{ends}_null({value.sql}, {_MOMENT}) IS NULL AND count({value.sql}) > 0"
    stop = failing(
        f"the {call.name} line lacks this, and whether another line's value counts then is not documented; "
        "filter with ispresent(...) first",
        value.span,
    )
    return f"CASE WHEN {missing} THEN {stop} ELSE {found} END", value.type
