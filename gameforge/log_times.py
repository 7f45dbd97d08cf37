"""Which span of time a question about logs is about."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from gameforge.aws_errors import AwsError

SINCE_DEFAULT: Final = "1h"
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# Lines may bear the time of a clock that is a little ahead of ours.
AHEAD: Final = timedelta(minutes=1)


def time_span(
    since: str | None, start: str | None, end: str | None, now: datetime | None = None
) -> tuple[datetime, datetime]:
    """From when to when, in UTC: `since` is such as 30m, the others are ISO 8601. Raises `AwsError`."""
    present = now or datetime.now(UTC)
    if since and start:
        raise AwsError("--since and --from both say where to begin: give one of the two.")
    ends = _moment(end, "--to") if end else present + AHEAD
    begins = _moment(start, "--from") if start else (ends if end else present) - _length(since or SINCE_DEFAULT)
    if begins >= ends:
        raise AwsError(f"the span ends before it begins: {begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S} UTC.")
    return begins, ends


def _length(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([smhdw])", text)
    if match is None or match[1].strip("0") == "":
        raise AwsError(f"--since {text}: write a number and s, m, h, d or w, such as 30m or 2d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise AwsError(
            f"{option} {text}: write a date or time such as 2026-01-31T14:00 or 2026-01-31T14:00Z."
        ) from None
    # Without a zone it is the clock on the wall.
    return moment.astimezone(UTC)
