"""Logs Insights queries, run over lines that are made for each test."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from insights import LogLine, Result, parse, run
from insights.run import Cell

DAY = "2024-05-01"
START = datetime(2024, 5, 1, tzinfo=UTC)
END = datetime(2024, 5, 2, tzinfo=UTC)


def line(at: str, message: str | Mapping[str, object], *, group: str = "/group", stream: str = "stream") -> LogLine:
    """A line at a time of day, such as 10:05 or 10:05:30.250."""
    moment = datetime.fromisoformat(f"{DAY}T{at}+00:00")
    text = message if isinstance(message, str) else json.dumps(message)
    return LogLine(round(moment.timestamp() * 1000), group, stream, text)


def minutes(*messages: str | Mapping[str, object]) -> list[LogLine]:
    """Lines a minute apart, from 10:00 on."""
    return [line(f"10:{minute:02}", message) for minute, message in enumerate(messages)]


def answer(query: str, lines: Iterable[LogLine]) -> Result:
    return run(parse(query), lines, start=START, end=END)


def rows(query: str, lines: Iterable[LogLine]) -> list[tuple[Cell, ...]]:
    return list(answer(query, lines).rows)
