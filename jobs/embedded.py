"""Metrics inside log lines, in CloudWatch's embedded format: no call, and nothing that can fail."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_lambda_powertools.metrics import EphemeralMetrics

from jobs.metrics import NAMESPACE, PROJECT, Metric

# At 100 values of one metric, CloudWatch's limit, the library sends a line of its own.
VALUES_MAX: Final = 99


def embedded(service: str, project: str, values: Mapping[Metric, float | Sequence[float]]) -> dict[str, Any]:
    """The fields that make a log line carry metrics: one value each, or several, at most `VALUES_MAX`."""
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    metrics.add_dimension(PROJECT, project)
    for metric, value in values.items():
        for single in value if isinstance(value, Sequence) else (value,):
            metrics.add_metric(name=metric.value, unit=metric.unit, value=single)
    return dict(metrics.serialize_metric_set())
