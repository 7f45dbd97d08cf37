"""The sound templates: our stacks, and what later stacks add to them, which their faults need to be put into."""

import copy
from typing import Any, Final

from stacks.catalog import rendered
from stacks.mutants.mutant import TemplateData
from stacks.template import STACK_METADATA

GPU_SERVICE: Final = "gpu-cluster with a service"
WATCHED_QUEUES: Final = "foundation with an alarm and a query"

_SERVICE: Final = {
    "Type": "AWS::ECS::Service",
    "DependsOn": ["CapacityProviderAssociation"],
    "Properties": {
        "ServiceName": {"Fn::Sub": "${Project}-sdxl-gpu"},
        "Cluster": {"Ref": "Cluster"},
        "TaskDefinition": {"Ref": "TaskDefinition"},
        "DesiredCount": 0,
        "CapacityProviderStrategy": [{"CapacityProvider": {"Ref": "CapacityProvider"}, "Weight": 1}],
        "DeploymentConfiguration": {
            "MinimumHealthyPercent": 0,
            "MaximumPercent": 100,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        },
        "Tags": [{"Key": "gameforge:project", "Value": {"Ref": "Project"}}],
    },
}
_ALARM: Final = {
    "Type": "AWS::CloudWatch::Alarm",
    "Properties": {
        "AlarmName": {"Fn::Sub": "${Project}-dead-letters"},
        "AlarmDescription": "A job was given up: read its message, then redrive or delete it.",
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [{"Ref": "AlertTopic"}],
    },
}
_QUERY: Final = {
    "Type": "AWS::Logs::QueryDefinition",
    "Properties": {
        "Name": {"Fn::Sub": "${Project}/errors by code"},
        "QueryString": 'filter level = "ERROR"\n| stats count(*) as errors by code, bin(1h)\n| sort errors desc',
    },
}


def bases() -> dict[str, TemplateData]:
    """All of them, by name."""
    stacks = rendered()
    return {
        **stacks,
        GPU_SERVICE: _with(stacks["gpu-cluster"], Service=_SERVICE),
        WATCHED_QUEUES: _with(stacks["foundation"], DeadLettersAlarm=_ALARM, ErrorsQuery=_QUERY),
    }


def _with(stack: TemplateData, **resources: Any) -> TemplateData:
    """A stack with more resources than its contract has, and so no longer under it."""
    template = copy.deepcopy(stack)
    del template["Metadata"][STACK_METADATA]
    template["Resources"] |= copy.deepcopy(resources)
    return template
