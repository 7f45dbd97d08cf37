"""What `gameforge cost` asks the logs, in the language of Logs Insights and the vocabulary of `jobs.logs`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from gameforge.cost_report import CostReport, KeyCost, WorkerCost
from gameforge.log_sources import Source
from jobs.logs import Event

# Each attempt at a job writes one of these lines.
ATTEMPT_ENDS: Final = (
    Event.JOB_SUCCEEDED,
    Event.JOB_FAILED,
    Event.JOB_CANCELED,
    Event.JOB_HANDED_BACK,
    Event.JOB_LOST,
)
_ENDS: Final = ", ".join(f'"{event}"' for event in ATTEMPT_ENDS)
BY_KEY: Final = f"""
filter ispresent(device_seconds) and event in [{_ENDS}]
| stats count_distinct(job_id) as key_jobs, count(*) as key_attempts, sum(images) as key_images,
  sum(device_seconds) as key_seconds, sum(cost_dollars) as key_dollars, count(cost_dollars) as priced by caller
| sort key_dollars desc, caller asc
"""
BY_INSTANCE_TYPE: Final = f"""
filter event = "{Event.WORKER_SAMPLE}"
| stats count_distinct(worker_id) as workers, sum(alive_seconds) as alive, sum(busy_seconds) as busy,
  sum(idle_seconds) as idle, sum(alive_dollars) as dollars, sum(idle_dollars) as dollars_idle by instance_type
| sort instance_type asc
"""
# Any part of the system: the sweep writes a line a minute also while no worker is alive.
FIRST_LINE: Final = (
    "filter ispresent(timestamp) and ispresent(event) | fields timestamp | sort @timestamp asc | limit 1"
)


def read_costs(
    source: Source, *, worker_groups: Sequence[str], groups: Sequence[str], start: datetime, end: datetime
) -> CostReport:
    """Ask, and put the answers together. `groups` are all of the system's. Raises `AwsError`."""
    first = source.ask(FIRST_LINE, groups, start, end).rows
    by_key = source.ask(BY_KEY, worker_groups, start, end).rows
    by_type = source.ask(BY_INSTANCE_TYPE, worker_groups, start, end).rows
    begins = max(start, datetime.fromisoformat(str(first[0][0]))) if first else start
    return CostReport(
        begins=begins,
        ends=max(begins, min(end, datetime.now(end.tzinfo))),
        keys=tuple(_key(row) for row in by_key),
        workers=tuple(_worker(row) for row in by_type),
    )


def _key(row: tuple[Any, ...]) -> KeyCost:
    caller, jobs, attempts, images, seconds, dollars, priced = row
    return KeyCost(
        caller=str(caller),
        jobs=_count(jobs),
        attempts=_count(attempts),
        images=_count(images),
        device_seconds=_number(seconds),
        dollars=_number(dollars),
        unpriced=_count(attempts) - _count(priced),
    )


def _worker(row: tuple[Any, ...]) -> WorkerCost:
    instance_type, workers, *figures = row
    return WorkerCost(str(instance_type), _count(workers), *map(_number, figures))


def _number(cell: Any) -> float:
    """CloudWatch answers in text, and with nothing for the sum of nothing. Lines have no more digits than this."""
    return round(float(cell), 8) if cell not in (None, "") else 0.0


def _count(cell: Any) -> int:
    return round(_number(cell))
