"""What CloudWatch alarms are made of: a metric or metric math, and what all of ours have in common."""

from typing import Any

from troposphere import AWSHelperFn, Sub, cloudwatch

from stacks import constants as c
from stacks.measures import Measure
from stacks.template import import_value, project_tags


def alarm(title: str, name: str, happened: str, to_do: str, watched: dict[str, Any], **more: Any) -> cloudwatch.Alarm:
    """An alarm that fires above its threshold. `name` is also the anchor of its section in the runbook."""
    return cloudwatch.Alarm(
        title,
        AlarmName=Sub(f"{c.PROJECT_REFERENCE}-{name}"),
        AlarmDescription=Sub(f"{happened} {to_do} ${{RunbookUrl}}#{name}"),
        **watched,
        ComparisonOperator="GreaterThanThreshold",
        **more,
        AlarmActions=[topic()],
        OKActions=[topic()],
        Tags=project_tags(),
    )


def topic() -> AWSHelperFn:
    """Where alarms tell people."""
    return import_value(c.EXPORT_ALERT_TOPIC_ARN)


def single(measure: Measure, statistic: str, period_seconds: int) -> dict[str, Any]:
    """An alarm's properties that make it watch one metric."""
    return {
        "Namespace": measure.namespace,
        "MetricName": measure.name,
        "Dimensions": _dimensions(measure),
        "ExtendedStatistic" if statistic.startswith("p") else "Statistic": statistic,
        "Period": period_seconds,
    }


def math(
    expression: str, label: str, period_seconds: int, **measures: tuple[Measure, str]
) -> dict[str, list[cloudwatch.MetricDataQuery]]:
    """An alarm's properties that make it watch `expression` over metrics, each given by name with its statistic."""
    queries = [
        cloudwatch.MetricDataQuery(
            Id=name,
            MetricStat=cloudwatch.MetricStat(
                Metric=cloudwatch.Metric(
                    Namespace=measure.namespace, MetricName=measure.name, Dimensions=_dimensions(measure)
                ),
                Stat=statistic,
                Period=period_seconds,
            ),
            ReturnData=False,
        )
        for name, (measure, statistic) in measures.items()
    ]
    result = cloudwatch.MetricDataQuery(Id="result", Expression=expression, Label=label, ReturnData=True)
    return {"Metrics": [*queries, result]}


def _dimensions(measure: Measure) -> list[cloudwatch.MetricDimension]:
    return [
        cloudwatch.MetricDimension(Name=name, Value=Sub(value) if "${" in value else value)
        for name, value in measure.dimensions.items()
    ]
