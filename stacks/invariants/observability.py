"""Invariants of what watches: alarms and dashboards read what there is, alarms reach somebody, queries are queries."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from insights import QueryError, parse
from stacks.contracts import CONTRACTS
from stacks.invariants.finding import Finding
from stacks.reads import DashboardError, metric_uses, query_uses, widgets
from stacks.template_view import TemplateView, is_true, mapping, mappings

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
    # Of rules on the default event bus.
    "AWS/Events": (frozenset({"RuleName"}),),
    "AWS/SNS": (frozenset({"TopicName"}),),
}
# Resources whose `Ref` is not the name that the dimension wants.
_REFERENCES: Final = {
    "QueueName": ("AWS::SQS::Queue", "Ref of a queue is its URL: use GetAtt QueueName"),
    "TopicName": ("AWS::SNS::Topic", "Ref of a topic is its ARN: use GetAtt TopicName"),
    "ServiceName": ("AWS::ECS::Service", "Ref of a service is its ARN: use GetAtt Name"),
}
# Where alarms send their reader; the links' anchors are its headings.
_RUNBOOK: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "runbook.md"


def metric_has_data(view: TemplateView) -> Iterator[Finding]:
    """A metric is read by a set of dimensions that AWS publishes it under, with names for values."""
    for use in metric_uses(view):
        known = _DIMENSIONS.get(use.namespace)
        if known is not None and use.dimensions.keys() not in known:
            choices = " or ".join(", ".join(sorted(each)) or "nothing" for each in known)
            given = ", ".join(sorted(use.dimensions)) or "nothing"
            message = f"{use.namespace} has no metric by {given}, so there is never data: use {choices}"
            yield Finding(use.logical_id, message)
        for name, value in use.dimensions.items():
            resource_type, message = _REFERENCES.get(name, ("", ""))
            resource = view.resources.get(str(mapping(value).get("Ref")))
            if resource is not None and resource.type == resource_type:
                yield Finding(use.logical_id, message)


def metric_math_is_whole(view: TemplateView) -> Iterator[Finding]:
    """Metric math names metrics that the alarm has, and has one result."""
    for alarm in view.of_type("CloudWatch::Alarm"):
        queries = mappings(alarm.properties.get("Metrics"))
        known = {str(query.get("Id")) for query in queries}
        for expression in (str(query["Expression"]) for query in queries if "Expression" in query):
            # Functions and operators are in capitals.
            for name in sorted(set(re.findall(r"\b[a-z]\w*", expression)) - known):
                yield Finding(
                    alarm.logical_id, f"{expression} names {name}, which is none of {', '.join(sorted(known))}"
                )
        results = sum(is_true(query.get("ReturnData", True)) for query in queries)
        if queries and results != 1:
            yield Finding(alarm.logical_id, f"{results} of its metrics are results: set ReturnData on one alone")


def alarm_reaches_somebody(view: TemplateView) -> Iterator[Finding]:
    """An alarm does something."""
    for alarm in view.of_type("CloudWatch::Alarm"):
        if not alarm.properties.get("AlarmActions"):
            yield Finding(alarm.logical_id, "nobody hears it: name a topic in AlarmActions")


def alarm_has_its_page(view: TemplateView) -> Iterator[Finding]:
    """The description of an alarm of ours ends with a link to its section in the runbook."""
    if view.stack in CONTRACTS:
        for alarm in view.of_type("CloudWatch::Alarm"):
            anchor = str(alarm.properties.get("AlarmDescription", "")).rpartition("#")[2]
            if anchor not in _anchors():
                yield Finding(alarm.logical_id, f"docs/runbook.md has no section #{anchor}: write it, or mend the link")


def dashboard_can_be_read(view: TemplateView) -> Iterator[Finding]:
    """A dashboard is JSON with every metric written out, so that what it reads can be checked."""
    for dashboard in view.of_type("CloudWatch::Dashboard"):
        try:
            widgets(dashboard)
        except DashboardError as error:
            yield Finding(dashboard.logical_id, f"{error}: write it as CloudWatch reads it, with nothing left out")


def query_is_one(view: TemplateView) -> Iterator[Finding]:
    """A saved query, and one on a dashboard, is a query of the subset that also runs at home."""
    for use in query_uses(view):
        try:
            parse(use.text)
        except QueryError as error:
            yield Finding(use.logical_id, str(error))


@cache
def _anchors() -> frozenset[str]:
    """The anchors that GitHub gives to the headings of the runbook."""
    headings = re.findall(r"^#+ (.+)$", _RUNBOOK.read_text(), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings)


INVARIANTS: Final = (
    metric_has_data,
    metric_math_is_whole,
    alarm_reaches_somebody,
    alarm_has_its_page,
    dashboard_can_be_read,
    query_is_one,
)
