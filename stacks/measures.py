"""The metrics that alarms and dashboard read: ours, by the constants that our code emits them with, and AWS's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jobs import metrics
from jobs.metrics import Metric
from stacks import constants as c


@dataclass(frozen=True)
class Measure:
    """A metric. The values of its dimensions may hold `${Project}`."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]


def ours(metric: Metric) -> Measure:
    """A metric that our own code emits."""
    dimensions = {metrics.PROJECT: c.PROJECT_REFERENCE, metrics.SERVICE: metric.service}
    return Measure(metrics.NAMESPACE, metric.value, dimensions)


def function_errors(function: str) -> Measure:
    """How often a Lambda function crashed or ran out of time."""
    return Measure("AWS/Lambda", "Errors", {"FunctionName": function})


DEAD_LETTERS: Final = Measure("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": c.DEAD_LETTER_QUEUE_NAME})
HOSTS_WANTED: Final = Measure(
    "AWS/AutoScaling", "GroupDesiredCapacity", {"AutoScalingGroupName": c.AUTO_SCALING_GROUP_NAME}
)
HOSTS_RUNNING: Final = Measure(
    "AWS/AutoScaling", "GroupInServiceInstances", {"AutoScalingGroupName": c.AUTO_SCALING_GROUP_NAME}
)
LAUNCH_FAILURES: Final = Measure("AWS/Events", "TriggeredRules", {"RuleName": c.LAUNCH_FAILURES_RULE_NAME})
