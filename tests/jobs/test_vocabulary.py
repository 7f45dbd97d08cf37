"""The log vocabulary: a field that is not in it can't be written, and none is listed that nobody writes."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.embedded import embedded
from jobs.logs import FIELD_NAMES, Event, Fields
from jobs.metrics import Metric

ROOT = Path(__file__).resolve().parent.parent.parent
LINE = """
from jobs.logs import Event, log_event, make_logger

log_event(make_logger("test"), Event.JOB_FAILED, "It failed", {field}="1")
"""


def mypy(tmp_path: Path, field: str) -> str:
    file = tmp_path / "line.py"
    file.write_text(LINE.format(field=field))
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_mypy_refuses_a_field_that_is_not_in_the_vocabulary(tmp_path: Path) -> None:
    assert 'Unexpected keyword argument "job_number"' in mypy(tmp_path, "job_number")
    assert "Success" in mypy(tmp_path, "job_id")


def sources() -> str:
    rooms = ("jobs", "lambda_api", "gpu_service")
    return "\n".join(path.read_text() for room in rooms for path in sorted((ROOT / room).glob("*.py")))


@pytest.mark.parametrize("field", sorted(Fields.__annotations__))
def test_every_field_is_written_by_some_line(field: str) -> None:
    code = sources()
    assert f"{field}=" in code or f'"{field}":' in code


@pytest.mark.parametrize("event", list(Event))
def test_every_event_is_written_by_some_line(event: Event) -> None:
    assert f"Event.{event.name}" in sources()


@pytest.mark.parametrize("metric", list(Metric))
def test_every_metric_is_sent_by_some_line(metric: Metric) -> None:
    assert f"Metric.{metric.name}" in sources()


def test_queries_may_name_what_every_line_has() -> None:
    assert {"level", "service", "timestamp", "message", "event", "job_id", "cost_dollars"} <= FIELD_NAMES


def test_metrics_travel_in_a_line_with_their_units_and_both_dimensions() -> None:
    fields = embedded("api", "game", {Metric.REQUESTS: 1, Metric.TOTAL_SECONDS: [0.5, 2.0]})
    (directive,) = fields["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "GameForge"
    assert [set(dimensions) for dimensions in directive["Dimensions"]] == [{"project", "service"}]
    assert (fields["project"], fields["service"]) == ("game", "api")
    assert directive["Metrics"] == [{"Name": "Requests", "Unit": "Count"}, {"Name": "TotalSeconds", "Unit": "Seconds"}]
    assert (fields["Requests"], fields["TotalSeconds"]) == ([1.0], [0.5, 2.0])
