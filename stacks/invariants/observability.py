"""Invariants of what watches: alarms read metrics that exist, and saved queries are queries."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from stacks.invariants.finding import Finding
from stacks.template_view import TemplateView, mapping, mappings

# Sets of dimensions under which AWS publishes each namespace's metrics. By any other set an alarm never has data.
# Source: the services' pages on their CloudWatch metrics.
_DIMENSIONS: Final[dict[str, tuple[frozenset[str], ...]]] = {
    "AWS/SQS": (frozenset({"QueueName"}),),
    "AWS/ECS": (frozenset({"ClusterName"}), frozenset({"ClusterName", "ServiceName"})),
    "AWS/ECS/ManagedScaling": (frozenset({"CapacityProviderName", "ClusterName"}),),
    "ECS/ContainerInsights": (
        frozenset({"ClusterName"}),
        frozenset({"ClusterName", "ServiceName"}),
        frozenset({"ClusterName", "TaskDefinitionFamily"}),
    ),
    "AWS/AutoScaling": (frozenset({"AutoScalingGroupName"}),),
    "AWS/EC2": (frozenset({"InstanceId"}), frozenset({"AutoScalingGroupName"}), frozenset({"InstanceType"})),
    "AWS/Lambda": (frozenset(), frozenset({"FunctionName"}), frozenset({"FunctionName", "Resource"})),
    "AWS/ApiGateway": (
        frozenset({"ApiName"}),
        frozenset({"ApiName", "Stage"}),
        frozenset({"ApiName", "Method", "Resource", "Stage"}),
    ),
    "AWS/DynamoDB": (
        frozenset({"TableName"}),
        frozenset({"TableName", "Operation"}),
        frozenset({"TableName", "GlobalSecondaryIndexName"}),
    ),
    "AWS/SNS": (frozenset({"TopicName"}),),
}
# Resources whose `Ref` is not the name that the dimension wants.
_REFERENCES: Final = {
    "QueueName": ("AWS::SQS::Queue", "Ref of a queue is its URL: use GetAtt QueueName"),
    "TopicName": ("AWS::SNS::Topic", "Ref of a topic is its ARN: use GetAtt TopicName"),
    "ServiceName": ("AWS::ECS::Service", "Ref of a service is its ARN: use GetAtt Name"),
}
_COMMANDS: Final = frozenset(
    {"dedup", "diff", "display", "fields", "filter", "filterindex", "join", "limit", "parse", "pattern", "sort"}
    | {"source", "stats", "unmask", "unnest", "anomaly"}
)
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|/(?:[^/\\\n]|\\.)+/')
_BRACKETS: Final = {")": "(", "]": "["}


def alarm_has_data(view: TemplateView) -> Iterator[Finding]:
    """An alarm's dimensions are a set that AWS publishes its metric under, with names for values."""
    for alarm in view.of_type("CloudWatch::Alarm"):
        queries = mappings(alarm.written("Metrics"))
        metrics = [mapping(mapping(query.get("MetricStat")).get("Metric")) for query in queries]
        for metric in (mapping(alarm.raw.get("Properties")), *metrics):
            yield from _metric_faults(view, alarm.logical_id, metric)


def _metric_faults(view: TemplateView, logical_id: str, metric: Mapping[str, Any]) -> Iterator[Finding]:
    namespace = str(metric.get("Namespace"))
    dimensions = mappings(metric.get("Dimensions"))
    names = frozenset(str(each.get("Name")) for each in dimensions)
    known = _DIMENSIONS.get(namespace)
    if known is not None and names not in known:
        choices = " or ".join(", ".join(sorted(each)) or "nothing" for each in known)
        given = ", ".join(sorted(names)) or "nothing"
        yield Finding(logical_id, f"{namespace} has no metric by {given}, so there is never data: use {choices}")
    for each in dimensions:
        resource_type, message = _REFERENCES.get(str(each.get("Name")), ("", ""))
        resource = view.resources.get(str(mapping(each.get("Value")).get("Ref")))
        if resource is not None and resource.type == resource_type:
            yield Finding(logical_id, message)


def alarm_reaches_somebody(view: TemplateView) -> Iterator[Finding]:
    """An alarm does something."""
    for alarm in view.of_type("CloudWatch::Alarm"):
        if not alarm.properties.get("AlarmActions"):
            yield Finding(alarm.logical_id, "nobody hears it: name a topic in AlarmActions")


def query_is_one(view: TemplateView) -> Iterator[Finding]:
    """A saved query consists of known commands, with its quotes and brackets closed."""
    for query in view.of_type("Logs::QueryDefinition"):
        for fault in _query_faults(str(query.properties.get("QueryString", ""))):
            yield Finding(query.logical_id, fault)


def _query_faults(text: str) -> Iterator[str]:
    bare = _QUOTED.sub("x", text)
    for quote in ('"', "'", "`"):
        if quote in bare:
            yield f"a {quote} is not closed"
    stack: list[str] = []
    for character in bare:
        if character in _BRACKETS.values():
            stack.append(character)
        elif character in _BRACKETS and (not stack or stack.pop() != _BRACKETS[character]):
            yield f"a {character} was not opened"
            return
    if stack:
        yield f"a {stack[-1]} is not closed"
    for number, part in enumerate(bare.split("|"), start=1):
        lines = [line for line in part.splitlines() if not line.strip().startswith("#")]
        words = " ".join(lines).split()
        if not words:
            yield f"part {number} between the pipes is empty"
        elif words[0].lower() not in _COMMANDS:
            yield f"{words[0]} is no command of Logs Insights"
        elif len(words) == 1 and words[0].lower() not in ("pattern", "anomaly"):
            yield f"{words[0]} says nothing"


INVARIANTS: Final = (alarm_has_data, alarm_reaches_somebody, query_is_one)
