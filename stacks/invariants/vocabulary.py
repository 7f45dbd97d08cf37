"""Invariants of what is read: each metric is one that our code emits, each field and event one that it writes."""

from collections.abc import Iterator
from typing import Final

from insights import QueryError, parse
from jobs import metrics
from jobs.logs import FIELD_NAMES, SERVICE_API, SERVICE_SWEEP, SERVICE_WEBHOOKS, SERVICE_WORKER, Event
from jobs.metrics import Metric
from stacks.contracts import CONTRACTS
from stacks.invariants.finding import Finding
from stacks.reads import metric_uses, query_uses
from stacks.template_view import TemplateView

_METRICS: Final = {metric.value: metric for metric in Metric}
_SERVICES: Final = frozenset({SERVICE_API, SERVICE_SWEEP, SERVICE_WEBHOOKS, SERVICE_WORKER})
# Fields of which the code knows all values.
_VALUES: Final = {"event": frozenset(map(str, Event)), "service": _SERVICES}


def metric_is_emitted(view: TemplateView) -> Iterator[Finding]:
    """A metric in our namespace is one that our code emits, by the dimensions that it emits it with."""
    for use in metric_uses(view):
        if use.namespace != metrics.NAMESPACE:
            continue
        metric = _METRICS.get(use.name)
        if metric is None:
            yield Finding(use.logical_id, f"nothing emits {use.name}: take a name of jobs.metrics.Metric")
        elif use.dimensions.keys() != {metrics.PROJECT, metrics.SERVICE}:
            given = ", ".join(sorted(use.dimensions)) or "nothing"
            message = f"{use.name} has the dimensions {metrics.PROJECT} and {metrics.SERVICE}, not {given}"
            yield Finding(use.logical_id, message)
        elif use.dimensions[metrics.SERVICE] != metric.service:
            message = f"{use.name} comes from {metric.service}, not from {use.dimensions[metrics.SERVICE]}"
            yield Finding(use.logical_id, message)


def field_is_written(view: TemplateView) -> Iterator[Finding]:
    """A query of ours reads fields that our code writes, and compares events and services to those that there are."""
    if view.stack not in CONTRACTS:
        return
    for use in query_uses(view):
        try:
            query = parse(use.text)
        except QueryError:
            # `query_is_one` tells that.
            continue
        for name in sorted(query.fields_read - FIELD_NAMES):
            if not name.startswith("@"):
                yield Finding(use.logical_id, f"no line has a field {name}: take a name of jobs.logs.Fields")
        for name, values in _VALUES.items():
            for value in sorted(query.compared.get(name, frozenset()) - values):
                yield Finding(use.logical_id, f"no line has the {name} {value}")


INVARIANTS: Final = (metric_is_emitted, field_is_written)
