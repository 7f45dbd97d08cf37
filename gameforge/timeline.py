"""One job's life as its log lines tell it: every line of the API, the worker, the sweep and the webhooks, in order."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gameforge.aws_errors import AwsError
from gameforge.log_sources import Source
from jobs.logs import Event

ID_LENGTH_MIN: Final = 6
LINES_MAX: Final = 1000
COLUMNS: Final = ("time", "since_accepted_seconds", "service", "event", "message")

# The lines of a job whose id begins so, or of a request with this correlation id.
_FIND: Final = (
    "fields @timestamp, @message | filter job_id like /^{prefix}/ or correlation_id = '{text}'"
    " | sort @timestamp asc | limit {limit}"
)
# Lines without the job's id, such as that of the request which made it, are found by the correlation ids of the others.
_WHOLE: Final = (
    "fields @timestamp, @message | filter job_id = '{job_id}' or correlation_id in [{correlation_ids}]"
    " | sort @timestamp asc | limit {limit}"
)
# The few fields that matter to a reader, by what happened; other lines show `SHOWN_OTHERWISE`.
SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    Event.REQUEST: ("method", "route", "status", "error_code", "duration_ms", "caller", "cold_start"),
    Event.JOB_ACCEPTED: ("caller", "width", "height", "num_inference_steps", "num_images"),
    Event.JOB_RECEIVED: ("attempts", "queue_wait_seconds", "device"),
    Event.JOB_STARTED: ("device", "batch_jobs"),
    Event.JOB_GENERATED: ("generate_seconds", "batch_jobs"),
    Event.JOB_SUCCEEDED: ("images", "run_seconds", "store_seconds", "device_seconds", "cost_dollars", "instance_type"),
    Event.JOB_FAILED: ("error_code", "attempts", "run_seconds", "device_seconds", "cost_dollars", "instance_type"),
    Event.JOB_CANCELED: ("run_seconds", "device_seconds", "cost_dollars"),
    Event.JOB_HANDED_BACK: ("reason", "attempts", "run_seconds", "device_seconds", "cost_dollars", "instance_type"),
    Event.JOB_LOST: ("attempts", "run_seconds", "device_seconds", "cost_dollars", "instance_type", "worker_id"),
}
SHOWN_OTHERWISE: Final = (
    "attempts",
    "reason",
    "cause",
    "error_code",
    "job_status",
    "webhook_status",
    "status",
    "worker_id",
)
# Of a job, and of an attempt at it, which a job may survive.
ENDS: Final = (Event.JOB_SUCCEEDED, Event.JOB_FAILED, Event.JOB_CANCELED)
ATTEMPT_ENDS: Final = (*ENDS, Event.JOB_HANDED_BACK, Event.JOB_LOST)


@dataclass(frozen=True)
class Moment:
    """A line of a job, and the seconds from the job's acceptance to it (or from the first line that is left)."""

    at: datetime
    since_accepted_seconds: float
    line: Mapping[str, Any]

    @property
    def details(self) -> str:
        """The few fields that matter, as name=value."""
        names = SHOWN.get(str(self.line.get("event")), SHOWN_OTHERWISE)
        return "  ".join(f"{name}={_short(self.line[name])}" for name in names if name in self.line)


@dataclass(frozen=True)
class Timeline:
    """A job's lines in order."""

    job_id: str
    moments: tuple[Moment, ...]

    def sums(self) -> list[str]:
        """Where the time went, over all attempts, a sentence a phase."""
        lines = [moment.line for moment in self.moments]
        ends = [line for line in lines if line.get("event") in ATTEMPT_ENDS]
        end = next((line for line in reversed(ends) if line["event"] in ENDS), None)
        # Not of a job that was canceled before a worker had it.
        ran = [line for line in ends if "run_seconds" in line]
        waited = next((line["queue_wait_seconds"] for line in lines if "queue_wait_seconds" in line), None)
        was_taken_up = bool(ran) or any(line.get("event") == Event.JOB_RECEIVED for line in lines)
        parts = [
            ("waited", waited, "until a worker took it up" if was_taken_up else "and no worker took it up"),
            ("ran", _sum(ran, "run_seconds"), f"in {len(ran)} attempt{'s' if len(ran) > 1 else ''}"),
            ("generated", _sum(ends, "generate_seconds"), "of that, on the device"),
            ("stored", _sum(ends, "store_seconds"), "of that, its pictures"),
            ("took", end.get("total_seconds") if end else None, "from being accepted to its end"),
        ]
        told = [f"{name:<10} {seconds:9.3f} s  {what}" for name, seconds, what in parts if seconds is not None]
        if (dollars := _sum(ends, "cost_dollars")) is not None:
            told.append(f"{'cost':<10} {dollars:9.6f} $  for {_sum(ends, 'device_seconds') or 0:.3f} s of the device")
        if end is None:
            told.append("it has not ended, as far as these lines tell")
        return told


def job_timeline(source: Source, text: str, groups: Sequence[str], start: datetime, end: datetime) -> Timeline:
    """The lines of the job with this id, the beginning of one, or a correlation id. Raises `AwsError`."""
    if not text:
        raise AwsError(f"which job? Give its id, at least {ID_LENGTH_MIN} characters of it, or a correlation id.")
    if len(text) < ID_LENGTH_MIN or not re.fullmatch(r"[A-Za-z0-9_.:=-]+", text):
        raise AwsError(f"{text} is no id: give a job's id or at least its first {ID_LENGTH_MIN} characters.")
    prefix = re.sub(r"([.=:-])", r"\\\1", text)
    lines = _lines(source.ask(_FIND.format(prefix=prefix, text=text, limit=LINES_MAX), groups, start, end).rows)
    job_ids = sorted({str(line["job_id"]) for line in lines if line.get("job_id")})
    if not job_ids:
        raise AwsError(f"there is no line of a job {text} in this span of time. Look further back with --since.")
    if len(job_ids) > 1:
        raise AwsError(f"{text} fits {len(job_ids)} jobs: {', '.join(job_ids[:5])}. Give more of the id.")
    [job_id] = job_ids
    correlation_ids = sorted({str(line["correlation_id"]) for line in lines if line.get("correlation_id")} | {text})
    quoted = ", ".join(f'"{value}"' for value in correlation_ids if re.fullmatch(r"[\w.:=/+-]+", value))
    whole = _WHOLE.format(job_id=job_id, correlation_ids=quoted, limit=LINES_MAX)
    lines = _lines(source.ask(whole, groups, start, end).rows)
    # A request may be about several jobs, and one's story is not another's.
    mine = [line for line in lines if line.get("job_id") in (None, job_id)]
    return Timeline(job_id, _moments(mine))


def _lines(rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """The JSON of each row's text, with the time at which it was written, or else logged, in `at`."""
    lines = []
    for logged, message in rows:
        line = json.loads(message)
        # Lambda's lines reach the log together, so their own time is the better one.
        written = line.get("timestamp")
        at = datetime.fromisoformat(written) if written else datetime.fromisoformat(logged).replace(tzinfo=UTC)
        lines.append({**line, "at": at})
    return sorted(lines, key=lambda line: line["at"])


def _moments(lines: list[dict[str, Any]]) -> tuple[Moment, ...]:
    accepted = next((line["at"] for line in lines if line.get("event") == Event.JOB_ACCEPTED), lines[0]["at"])
    return tuple(
        Moment(line["at"], (line["at"] - accepted).total_seconds(), {k: v for k, v in line.items() if k != "at"})
        for line in lines
    )


def _sum(lines: list[Mapping[str, Any]], name: str) -> float | None:
    values = [line[name] for line in lines if line.get(name) is not None]
    return sum(values) if values else None


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
