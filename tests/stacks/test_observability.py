"""The observability stack: queries that people find and can read, alarms that say what to do, one screen of figures."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from insights import parse
from jobs.metrics import Metric
from stacks.reads import metric_uses
from stacks.saved_queries import QUERIES
from stacks.saved_queries.saved_query import JOB_ID_TOKEN, SavedQuery
from stacks.template_view import Resource, TemplateView

RUNBOOK = (Path(__file__).resolve().parent.parent.parent / "docs" / "runbook.md").read_text()
SCREEN_ROWS = 20


@pytest.fixture(scope="module")
def view(templates: dict[str, dict[str, Any]]) -> TemplateView:
    return TemplateView(templates["observability"])


def alarm(view: TemplateView, name: str) -> Resource:
    (found,) = (
        each for each in view.of_type("CloudWatch::Alarm") if each.properties["AlarmName"] == f"gameforge-{name}"
    )
    return found


def name_of(query: SavedQuery) -> str:
    return query.name


def test_each_query_is_found_by_the_last_part_of_its_name() -> None:
    short = [query.name.rpartition("/")[2] for query in QUERIES]
    assert len(set(short)) == len(short)
    # `gameforge logs job ID` is a command of its own.
    assert "job" not in short


@pytest.mark.parametrize("query", QUERIES, ids=name_of)
def test_a_query_says_what_it_answers(query: SavedQuery) -> None:
    assert re.fullmatch(r"# [A-Z].+\.", query.text.splitlines()[0])
    assert (JOB_ID_TOKEN in query.commands) == (JOB_ID_TOKEN in query.sentence)


@pytest.mark.parametrize("query", QUERIES, ids=name_of)
def test_a_query_fits_the_console_and_its_limits(query: SavedQuery) -> None:
    """Lines that can be read without scrolling; CloudWatch takes up to 10,000 characters."""
    assert max(map(len, query.text.splitlines())) <= 120
    assert parse(query.commands).fields_read == parse(query.text).fields_read


def test_the_log_groups_are_those_of_the_other_stacks(templates: dict[str, dict[str, Any]]) -> None:
    made = {
        group.written("LogGroupName")["Fn::Sub"]
        for template in templates.values()
        for group in TemplateView(template).of_type("Logs::LogGroup")
    }
    assert {group for query in QUERIES for group in query.groups} <= made


def test_an_alarm_tells_when_it_is_over_too(view: TemplateView) -> None:
    for each in view.of_type("CloudWatch::Alarm"):
        assert each.properties["OKActions"] == each.properties["AlarmActions"] != []


def test_every_section_of_the_runbook_is_an_alarms_and_names_a_query_or_command(view: TemplateView) -> None:
    sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
    anchors = [section.splitlines()[0].lower().replace(" ", "-") for section in sections]
    assert sorted(anchors) == sorted(
        each.properties["AlarmName"].removeprefix("gameforge-") for each in view.of_type("CloudWatch::Alarm")
    )
    for section in sections:
        for heading in ("**What it means.**", "**Look at**", "**Do**"):
            assert heading in section


def test_the_queries_that_the_runbook_names_are_saved() -> None:
    named = set(re.findall(r"gameforge logs ([a-z-]+)", RUNBOOK)) - {"job"}
    assert len(named) >= 8
    assert named <= {query.name.rpartition("/")[2] for query in QUERIES}


def test_a_description_fits_into_an_alarm(view: TemplateView) -> None:
    for each in view.of_type("CloudWatch::Alarm"):
        text = each.properties["AlarmDescription"]
        # With the longest RunbookUrl that is taken.
        assert len(text) + 200 <= 1024
        assert re.search(r"\. docs/runbook\.md#[a-z-]+$", text)


def test_an_idle_host_is_told_after_half_an_hour(view: TemplateView) -> None:
    properties = alarm(view, "idle-gpu").properties
    periods = {each["MetricStat"]["Period"] for each in properties["Metrics"] if "MetricStat" in each}
    assert [seconds * int(properties["EvaluationPeriods"]) for seconds in periods] == [30 * 60]


def test_a_silent_sweep_is_told(view: TemplateView) -> None:
    properties = alarm(view, "oldest-job").properties
    assert properties["TreatMissingData"] == "missing"
    assert properties["InsufficientDataActions"] == properties["AlarmActions"]


def widgets(view: TemplateView) -> list[dict[str, Any]]:
    (dashboard,) = view.of_type("CloudWatch::Dashboard")
    found: list[dict[str, Any]] = json.loads(dashboard.properties["DashboardBody"])["widgets"]
    return found


def test_the_dashboard_is_one_screen(view: TemplateView) -> None:
    for widget in widgets(view):
        assert 0 <= widget["x"] <= widget["x"] + widget["width"] <= 24
        assert 0 <= widget["y"] <= widget["y"] + widget["height"] <= SCREEN_ROWS
    for one, other in combinations(widgets(view), 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        above = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        assert beside or above, (one["properties"]["title"], other["properties"]["title"])


def test_gpu_use_stands_beside_the_queue(view: TemplateView) -> None:
    def place(metric: Metric) -> tuple[int, int]:
        (found,) = (each for each in widgets(view) if f'"{metric}"' in json.dumps(each))
        return found["x"], found["y"]

    queue, gpu = place(Metric.QUEUE_DEPTH), place(Metric.GPU_UTILIZATION)
    assert gpu == place(Metric.GPU_MEMORY_UTILIZATION)
    assert gpu == (queue[0] + 6, queue[1])


def test_the_dashboard_answers_its_four_questions(view: TemplateView) -> None:
    titles = [widget["properties"]["title"] for widget in widgets(view)]
    assert {title.partition("?")[0] for title in titles} == {"Alarms", "Healthy", "Fast", "Cost", "Stuck"}


def test_what_alarms_watch_is_also_shown(view: TemplateView) -> None:
    (dashboard,) = view.of_type("CloudWatch::Dashboard")
    uses = list(metric_uses(view))
    shown = {use.name for use in uses if use.logical_id == dashboard.logical_id}
    watched = {use.name for use in uses if use.namespace == "GameForge"} - shown
    # Idle time stands there in dollars.
    assert watched == {Metric.BUSY_SECONDS}
