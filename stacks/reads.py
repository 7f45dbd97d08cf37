"""What a template reads: the metrics of its alarms and dashboards, and the queries that it saves or shows."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stacks.template_view import Resource, TemplateView, mapping, mappings

# A log widget names its log groups in front of its query; a saved query has them beside it.
_SOURCES: Final = re.compile(r"(?:SOURCE\s+'[^']*'\s*\|\s*)+")


@dataclass(frozen=True)
class MetricUse:
    """One metric that the resource `logical_id` reads; values of dimensions are as the template has them."""

    logical_id: str
    namespace: str
    name: str
    dimensions: Mapping[str, Any]


@dataclass(frozen=True)
class QueryUse:
    """One Logs Insights query that the resource `logical_id` holds."""

    logical_id: str
    text: str


class DashboardError(Exception):
    """A dashboard can't be read; the text says why."""


def metric_uses(view: TemplateView) -> Iterator[MetricUse]:
    """Every metric that an alarm or a readable dashboard names."""
    for alarm in view.of_type("CloudWatch::Alarm"):
        queries = mappings(alarm.written("Metrics"))
        metrics = [mapping(mapping(query.get("MetricStat")).get("Metric")) for query in queries]
        for metric in (mapping(alarm.raw.get("Properties")), *metrics):
            if "Namespace" in metric:
                dimensions = {str(each.get("Name")): each.get("Value") for each in mappings(metric.get("Dimensions"))}
                yield MetricUse(alarm.logical_id, str(metric["Namespace"]), str(metric.get("MetricName")), dimensions)
    for dashboard, shown in _readable_dashboards(view):
        yield from (each for widget in shown for each in _lines(dashboard, widget))


def query_uses(view: TemplateView) -> Iterator[QueryUse]:
    """Every query that is saved or that a readable dashboard shows."""
    for query in view.of_type("Logs::QueryDefinition"):
        yield QueryUse(query.logical_id, str(query.properties.get("QueryString", "")))
    for dashboard, shown in _readable_dashboards(view):
        for widget in shown:
            if widget.get("type") == "log":
                text = str(mapping(widget.get("properties")).get("query"))
                yield QueryUse(dashboard.logical_id, _SOURCES.sub("", text, count=1))


def widgets(dashboard: Resource) -> list[Mapping[str, Any]]:
    """A dashboard's widgets, with every metric written out. Raises `DashboardError`."""
    body = dashboard.properties.get("DashboardBody")
    if not isinstance(body, str):
        raise DashboardError("its body is no text")
    try:
        content = json.loads(body)
    except ValueError as error:
        raise DashboardError(f"its body is not JSON: {error}") from None
    found = mappings(mapping(content).get("widgets"))
    for widget in found:
        # Reading them is what checks them.
        list(_lines(dashboard, widget))
    return found


def _readable_dashboards(view: TemplateView) -> Iterator[tuple[Resource, list[Mapping[str, Any]]]]:
    for dashboard in view.of_type("CloudWatch::Dashboard"):
        try:
            yield dashboard, widgets(dashboard)
        except DashboardError:
            # An invariant of its own tells that.
            continue


def _lines(dashboard: Resource, widget: Mapping[str, Any]) -> Iterator[MetricUse]:
    lines = mapping(widget.get("properties")).get("metrics")
    for line in lines if isinstance(lines, list) else []:
        words = [word for word in line if isinstance(word, str)] if isinstance(line, list) else []
        if len(words) % 2 or any(word.startswith(".") for word in words):
            raise DashboardError(f"a metric is not written out: {' '.join(words)}")
        # Metric math has no words.
        if words:
            dimensions = dict(zip(words[2::2], words[3::2], strict=True))
            yield MetricUse(dashboard.logical_id, words[0], words[1], dimensions)
