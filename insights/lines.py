"""Log lines, and the fields that CloudWatch finds in them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

# Of every line.
SYSTEM_FIELDS: Final = ("@timestamp", "@message", "@logStream", "@log", "@ingestionTime")
# Of the lines that Lambda itself writes around each request.
LAMBDA_FIELDS: Final = ("@type", "@duration", "@billedDuration", "@initDuration", "@memorySize", "@maxMemoryUsed")

_LAMBDA_GROUP: Final = "/aws/lambda/"
_LAMBDA_LINE: Final = re.compile(r"(START|END|REPORT) RequestId: ")
_MILLISECONDS: Final = {"Duration": "@duration", "Billed Duration": "@billedDuration", "Init Duration": "@initDuration"}
_MEGABYTES: Final = {"Memory Size": "@memorySize", "Max Memory Used": "@maxMemoryUsed"}
_REPORTED: Final = re.compile(r"([A-Z][A-Za-z ]+): ([0-9.]+) (?:ms|MB)")


@dataclass(frozen=True)
class LogLine:
    """A log event: its time in milliseconds since 1970 UTC, where it is from, and its text."""

    timestamp_ms: int
    log_group: str
    log_stream: str
    message: str
    ingestion_ms: int | None = None


@dataclass(frozen=True)
class Shapes:
    """Names of the log's fields that hold a number in some line, and of those that hold an object or a list."""

    numbers: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()


class JsonNumber(str):
    """A number of the log's JSON, as it stands there; true is 1 and false 0, as Logs Insights has them."""

    __slots__ = ()


def shapes(found: Iterable[Mapping[str, str]]) -> Shapes:
    """What the fields that `discovered` found in lines hold."""
    numbers: set[str] = set()
    names: set[str] = set()
    for fields in found:
        names.update(fields)
        numbers.update(name for name, value in fields.items() if isinstance(value, JsonNumber))
    holders = {name[: dot.start()] for name in names for dot in re.finditer(r"\.", name)}
    return Shapes(frozenset(numbers), frozenset(holders))


def discovered(line: LogLine) -> dict[str, str]:
    """The fields of a line but for the system's: a nested one by dots, an item of a list by its number from 0."""
    if line.message.lstrip()[:1] == "{":
        try:
            parsed = json.loads(
                line.message, parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_refuse_constant
            )
        except ValueError:
            return {}
        # A name that begins with @ in the log gets another one in front.
        return {f"@{name}" if name.startswith("@") else name: value for name, value in _flat(parsed, "")}
    if line.log_group.startswith(_LAMBDA_GROUP) and (match := _LAMBDA_LINE.match(line.message)):
        return {"@type": match[1], **(_reported(line.message) if match[1] == "REPORT" else {})}
    return {}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{name}.{index}")
    elif isinstance(value, bool):
        yield name, JsonNumber(int(value))
    elif value is not None:
        # Half of a surrogate pair is valid in JSON, and no text anywhere else.
        yield name, value if isinstance(value, JsonNumber) else str(value).encode(errors="replace").decode()


def _reported(message: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for label, number in _REPORTED.findall(message):
        if label in _MILLISECONDS:
            found[_MILLISECONDS[label]] = JsonNumber(number)
        elif label in _MEGABYTES:
            # CloudWatch shows bytes, of a megabyte of a million.
            found[_MEGABYTES[label]] = JsonNumber(int(float(number) * 1_000_000))
    return found
