"""Every field and metric that a query, widget or alarm names was really written by the code, in a run of it."""

from typing import Any

import pytest

from insights import parse
from jobs import metrics
from jobs.metrics import Metric
from stacks.reads import MetricUse, metric_uses, query_uses
from stacks.saved_queries import QUERIES
from stacks.saved_queries.saved_query import SavedQuery
from stacks.template_view import TemplateView
from tests.observability.conftest import PROJECT, Scene


def view() -> TemplateView:
    from stacks.catalog import STACKS
    from stacks.template import to_dict

    return TemplateView(to_dict(STACKS["observability"]()))


def name_of(query: SavedQuery) -> str:
    return query.name


def sent(scene: Scene) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """The metrics that CloudWatch takes from the lines: name and dimensions."""
    found = set()
    for line in scene.events:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert directive["Namespace"] == metrics.NAMESPACE
            for dimensions in directive["Dimensions"]:
                values = tuple(sorted((name, line[name]) for name in dimensions))
                found |= {(metric["Name"], values) for metric in directive["Metrics"] if line[metric["Name"]]}
    return found


def as_sent(use: MetricUse) -> tuple[str, tuple[tuple[str, str], ...]]:
    values = {name: text_of(value).replace("${Project}", PROJECT) for name, value in use.dimensions.items()}
    return use.name, tuple(sorted(values.items()))


def text_of(value: Any) -> str:
    return str(value["Fn::Sub"]) if isinstance(value, dict) else str(value)


def test_every_metric_that_is_watched_or_shown_was_sent(scene: Scene) -> None:
    uses = [use for use in metric_uses(view()) if use.namespace == metrics.NAMESPACE]
    assert len(uses) >= 25
    assert {as_sent(use) for use in uses} - sent(scene) == set()


def test_every_metric_that_was_sent_is_in_the_vocabulary(scene: Scene) -> None:
    services = {metric.value: metric.service for metric in Metric}
    for name, dimensions in sent(scene):
        assert dict(dimensions) == {metrics.PROJECT: PROJECT, metrics.SERVICE: services[name]}


def test_every_metric_of_the_vocabulary_was_sent(scene: Scene) -> None:
    assert {metric.value for metric in Metric} == {name for name, _ in sent(scene)}


@pytest.mark.parametrize("query", QUERIES, ids=name_of)
def test_every_field_that_a_query_reads_was_written(scene: Scene, query: SavedQuery) -> None:
    parsed = parse(query.text)
    events = parsed.compared.get("event")
    lines = [line for line in scene.events if events is None or line.get("event") in events]
    written = {name for line in lines for name, value in line.items() if value is not None}
    assert {name for name in parsed.fields_read if not name.startswith("@")} - written == set()


def test_the_queries_of_the_dashboard_are_saved_ones() -> None:
    shown = {use.text.strip() for use in query_uses(view()) if use.logical_id == "Dashboard"}
    assert len(shown) == 3
    assert shown <= {query.commands for query in QUERIES}
