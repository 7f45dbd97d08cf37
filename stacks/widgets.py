"""What a CloudWatch dashboard is made of: panels of metrics, tables of log queries, and the states of alarms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from stacks.measures import Measure
from stacks.saved_queries.saved_query import SavedQuery

_REGION: Final = "${AWS::Region}"


@dataclass(frozen=True)
class Line:
    """A metric in a panel, by one statistic, on the left axis or on the right."""

    measure: Measure
    statistic: str
    label: str
    on_right_axis: bool = False

    def to_json(self) -> list[Any]:
        """As the dashboard's source has it."""
        dimensions = [part for pair in self.measure.dimensions.items() for part in pair]
        axis = {"yAxis": "right"} if self.on_right_axis else {}
        options = {"stat": self.statistic, "label": self.label, **axis}
        return [self.measure.namespace, self.measure.name, *dimensions, options]


@dataclass(frozen=True)
class Panel:
    """Metrics over time, from 0. `unit` and `right_unit` name the axes; `maximum` ends the left one."""

    title: str
    unit: str
    lines: Sequence[Line]
    period_seconds: int = 300
    maximum: int | None = None
    right_unit: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The widget without its place."""
        ends = {} if self.maximum is None else {"max": self.maximum}
        axes: dict[str, Any] = {"left": {"label": self.unit, "showUnits": False, "min": 0, **ends}}
        if self.right_unit is not None:
            axes["right"] = {"label": self.right_unit, "showUnits": False, "min": 0}
        properties = {
            "title": self.title,
            "region": _REGION,
            "view": "timeSeries",
            "period": self.period_seconds,
            "yAxis": axes,
            "metrics": [line.to_json() for line in self.lines],
        }
        return {"type": "metric", "properties": properties}


@dataclass(frozen=True)
class LogTable:
    """The rows of a saved query."""

    title: str
    query: SavedQuery

    def to_json(self) -> dict[str, Any]:
        """The widget without its place."""
        sources = "".join(f"SOURCE '{group}' | " for group in self.query.groups)
        properties = {"title": self.title, "region": _REGION, "view": "table", "query": sources + self.query.commands}
        return {"type": "log", "properties": properties}


@dataclass(frozen=True)
class AlarmStates:
    """The states of alarms, which are logical ids in the dashboard's own template."""

    title: str
    alarms: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """The widget without its place."""
        arns = [f"${{{alarm}.Arn}}" for alarm in self.alarms]
        return {"type": "alarm", "properties": {"title": self.title, "alarms": arns}}


Widget = Panel | LogTable | AlarmStates
