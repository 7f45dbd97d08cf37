"""The dashboard, one screen: is it healthy, is it fast, what does it cost, what is stuck."""

import json
from collections.abc import Sequence
from typing import Any, Final

from troposphere import Sub, cloudwatch

from jobs.metrics import Metric
from stacks import constants as c
from stacks.measures import DEAD_LETTERS, HOSTS_RUNNING, HOSTS_WANTED, ours
from stacks.saved_queries.of_api import ERRORS
from stacks.saved_queries.of_jobs import COST, FAILURES
from stacks.widgets import AlarmStates, Line, LogTable, Panel, Widget

# CloudWatch divides a dashboard into so many columns.
COLUMNS: Final = 24
_ALARM_ROWS: Final = 2
# Three rows of panels and the alarms are 20 rows, which is what a laptop's screen shows at once.
_ROWS: Final = 6

_HEALTH: Final[tuple[Widget, ...]] = (
    Panel(
        "Healthy? Requests",
        "in 5 minutes",
        (
            Line(ours(Metric.REQUESTS), "Sum", "requests"),
            Line(ours(Metric.CLIENT_ERRORS), "Sum", "4xx"),
            Line(ours(Metric.SERVER_ERRORS), "Sum", "5xx"),
        ),
    ),
    Panel(
        "Healthy? Jobs",
        "in 5 minutes",
        (
            Line(ours(Metric.JOBS_ACCEPTED), "Sum", "accepted"),
            Line(ours(Metric.JOBS_SUCCEEDED), "Sum", "succeeded"),
            Line(ours(Metric.JOBS_FAILED), "Sum", "failed"),
            Line(ours(Metric.JOBS_CANCELED), "Sum", "canceled while running"),
            Line(ours(Metric.JOBS_HANDED_BACK), "Sum", "handed back"),
        ),
    ),
    Panel(
        "Healthy? Hosts and workers",
        "hosts, workers",
        (
            Line(HOSTS_WANTED, "Maximum", "hosts wanted"),
            Line(HOSTS_RUNNING, "Maximum", "hosts running"),
            Line(ours(Metric.LIVE_WORKERS), "Maximum", "workers alive"),
        ),
        period_seconds=60,
    ),
    LogTable("Healthy? Errors by code and route", ERRORS),
)
_SPEED: Final[tuple[Widget, ...]] = (
    Panel(
        "Fast? The API, without waits that clients ask for",
        "milliseconds",
        tuple(Line(ours(Metric.LATENCY), each, each) for each in ("p50", "p95")),
    ),
    Panel(
        "Fast? A job, from accepted to its end",
        "seconds",
        tuple(Line(ours(Metric.TOTAL_SECONDS), each, each) for each in ("p50", "p90", "p99")),
    ),
    Panel(
        "Fast? The queue",
        "jobs",
        (
            Line(ours(Metric.QUEUE_DEPTH), "Maximum", "jobs on the queue"),
            Line(ours(Metric.OLDEST_JOB_SECONDS), "Maximum", "longest wait", on_right_axis=True),
        ),
        period_seconds=60,
        right_unit="seconds",
    ),
    Panel(
        "Fast? The GPUs",
        "percent",
        (
            Line(ours(Metric.GPU_UTILIZATION), "Average", "GPU busy"),
            Line(ours(Metric.GPU_MEMORY_UTILIZATION), "Maximum", "GPU memory in use"),
            Line(ours(Metric.OUT_OF_MEMORY_RUNGS), "Sum", "out of memory", on_right_axis=True),
        ),
        period_seconds=60,
        maximum=100,
        right_unit="times",
    ),
)
_COST_AND_TROUBLE: Final[tuple[Widget, ...]] = (
    Panel(
        "Cost? Dollars an hour",
        "dollars",
        (
            Line(ours(Metric.ALIVE_DOLLARS), "Sum", "workers"),
            Line(ours(Metric.JOB_DOLLARS), "Sum", "of it, for jobs"),
            Line(ours(Metric.IDLE_DOLLARS), "Sum", "of it, without work"),
        ),
        period_seconds=3600,
    ),
    LogTable("Cost? By day and key", COST),
    Panel(
        "Stuck? What nobody works on",
        "jobs",
        (
            Line(DEAD_LETTERS, "Maximum", "dead letters"),
            Line(ours(Metric.BACKLOG_WITHOUT_WORKER), "Maximum", "queued, and no worker alive"),
            Line(ours(Metric.JOBS_QUEUED_AGAIN), "Sum", "queued again by the sweep"),
        ),
        period_seconds=60,
    ),
    LogTable("Stuck? Failed and repeated jobs", FAILURES),
)


def dashboard(alarms: Sequence[str]) -> cloudwatch.Dashboard:
    """The dashboard; `alarms` are the logical ids of those whose states stand on top."""
    widgets: list[dict[str, Any]] = [{**AlarmStates("Alarms", alarms).to_json(), **_place(0, 0, COLUMNS, _ALARM_ROWS)}]
    for number, row in enumerate((_HEALTH, _SPEED, _COST_AND_TROUBLE)):
        width = COLUMNS // len(row)
        for column, widget in enumerate(row):
            place = _place(column * width, _ALARM_ROWS + number * _ROWS, width, _ROWS)
            widgets.append({**widget.to_json(), **place})
    body = json.dumps({"start": "-PT6H", "widgets": widgets}, indent=1)
    return cloudwatch.Dashboard("Dashboard", DashboardName=Sub(c.DASHBOARD_NAME), DashboardBody=Sub(body))


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "width": width, "height": height}
