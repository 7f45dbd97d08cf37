"""Lengths of time such as `5m`, with the caps that CloudWatch puts on them."""

import re
from typing import Final

from insights.errors import NotInSubsetError, QueryError, Span

_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# The largest number that CloudWatch takes with a unit; a larger one is silently cut down to it.
_CAPS: Final = {"ms": 1000, "s": 60, "m": 60, "h": 24, "d": 1}
_SPELLINGS: Final = {
    **dict.fromkeys(("millisecond", "milliseconds", "ms", "msec", "msecs"), "ms"),
    **dict.fromkeys(("second", "seconds", "s", "sec", "secs"), "s"),
    **dict.fromkeys(("minute", "minutes", "m", "min", "mins"), "m"),
    **dict.fromkeys(("hour", "hours", "h", "hr", "hrs"), "h"),
    **dict.fromkeys(("day", "days", "d"), "d"),
}
_LONGER: Final = frozenset(
    {
        *("week", "weeks", "w", "month", "months", "mo", "mon", "mos", "mons"),
        *("quarter", "quarters", "q", "qtr", "qtrs", "year", "years", "y", "yr", "yrs"),
    }
)


def milliseconds_of(text: str, span: Span) -> int:
    """How long `text` is, such as 300000 for `5m`. Raises `QueryError`."""
    match = re.fullmatch(r"(\d+)([A-Za-z]+)", text)
    unit = match[2].lower() if match else ""
    if match is None or unit not in _SPELLINGS | dict.fromkeys(_LONGER, ""):
        raise QueryError(f"{text!r} is no period; write a number and ms, s, m, h or d, such as 5m", span)
    if unit in _LONGER:
        raise NotInSubsetError(f"{text}: where a {unit} begins is not documented; periods end at 1d here", span)
    number, unit = int(match[1]), _SPELLINGS[unit]
    cap = _CAPS[unit]
    if not 1 <= number <= cap:
        raise NotInSubsetError(
            f"CloudWatch cuts {text} down to {cap}{unit} without saying so; write it in a larger unit", span
        )
    if unit != "d" and cap % number:
        raise NotInSubsetError(
            f"{text} does not divide {cap}{unit} evenly, and where such periods begin is not documented", span
        )
    return number * _MILLISECONDS[unit]
