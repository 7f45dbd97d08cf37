"""What the emulator lacks and we add: each type is created, updated and deleted by CloudFormation itself."""

import json
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from ministack.services.cloudformation.provisioners import _cw_metric_alarm_create

from local_cloud.additions import GPU_AMI_ID, GPU_AMI_PARAMETER
from local_cloud.cloud import LocalCloud

GROUP = {
    "Type": "AWS::AutoScaling::AutoScalingGroup",
    "Properties": {
        "MinSize": "0",
        "MaxSize": "2",
        "AvailabilityZones": ["us-east-1a"],
        "AutoScalingGroupName": "group",
    },
}


def provider(capacity: int) -> dict[str, Any]:
    scaling = {"Status": "ENABLED", "TargetCapacity": capacity, "MinimumScalingStepSize": 1}
    properties = {"AutoScalingGroupArn": {"Ref": "Group"}, "ManagedScaling": scaling}
    return {
        "Type": "AWS::ECS::CapacityProvider",
        "Properties": {"Name": "extra-provider", "AutoScalingGroupProvider": properties},
    }


def association(name: str) -> dict[str, Any]:
    strategy = [{"CapacityProvider": name, "Weight": 1, "Base": 0}]
    return {
        "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
        "DependsOn": "Provider",
        "Properties": {
            "Cluster": {"Ref": "Cluster"},
            "CapacityProviders": [name],
            "DefaultCapacityProviderStrategy": strategy,
        },
    }


def template(capacity: int, associated: str = "extra-provider") -> str:
    target = {
        "MinCapacity": 0,
        "MaxCapacity": 2,
        "ResourceId": "service/extra/worker",
        "ScalableDimension": "ecs:service:DesiredCount",
        "ServiceNamespace": "ecs",
    }
    policy = {"PolicyName": "backlog", "PolicyType": "TargetTrackingScaling", "ScalingTargetId": {"Ref": "Target"}}
    resources = {
        "Group": GROUP,
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "extra"}},
        "Provider": provider(capacity),
        "Association": association(associated),
        "Query": {
            "Type": "AWS::Logs::QueryDefinition",
            "Properties": {"Name": "q", "QueryString": f"limit {capacity}"},
        },
        "Target": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": target},
        "Policy": {"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": policy},
    }
    return json.dumps({"Resources": resources})


def test_the_types_that_the_emulator_lacks_live_a_whole_life(cloud: LocalCloud) -> None:
    cloudformation, ecs = cloud.deployment.client("cloudformation"), cloud.deployment.client("ecs")

    def target_capacity() -> int:
        (found,) = ecs.describe_capacity_providers(capacityProviders=["extra-provider"])["capacityProviders"]
        return int(found["autoScalingGroupProvider"]["managedScaling"]["targetCapacity"])

    def providers_of_cluster() -> list[str]:
        names: list[str] = ecs.describe_clusters(clusters=["extra"])["clusters"][0]["capacityProviders"]
        return names

    cloudformation.create_stack(StackName="extra", TemplateBody=template(90))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="extra", WaiterConfig={"Delay": 1})
    assert (target_capacity(), providers_of_cluster()) == (90, ["extra-provider"])

    cloudformation.update_stack(StackName="extra", TemplateBody=template(80))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="extra", WaiterConfig={"Delay": 1})
    assert target_capacity() == 80

    cloudformation.delete_stack(StackName="extra")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="extra", WaiterConfig={"Delay": 1})
    names = [found["name"] for found in ecs.describe_capacity_providers()["capacityProviders"]]
    assert "extra-provider" not in names


def test_an_association_with_an_unknown_provider_fails_its_stack(cloud: LocalCloud) -> None:
    cloudformation = cloud.deployment.client("cloudformation")
    cloudformation.create_stack(StackName="broken", TemplateBody=template(90, associated="no-such-provider"))
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(StackName="broken", WaiterConfig={"Delay": 1})
    events = cloudformation.describe_stack_events(StackName="broken")["StackEvents"]
    assert any("no-such-provider" in event.get("ResourceStatusReason", "") for event in events)
    cloudformation.delete_stack(StackName="broken")


def alarm(*, on_metric_math: bool) -> str:
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Stat": "Sum", "Period": 60}
    queries = [
        {"Id": "m", "MetricStat": stat, "ReturnData": False},
        {"Id": "result", "Expression": "m * 2", "ReturnData": True},
    ]
    watched = {"Metrics": queries} if on_metric_math else {"Namespace": "N", "MetricName": "M", "Period": 60}
    common = {
        "AlarmName": "extra",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1,
        "EvaluationPeriods": 1,
    }
    resource = {"Type": "AWS::CloudWatch::Alarm", "Properties": {**common, **watched}}
    outputs = {"Arn": {"Value": {"Fn::GetAtt": ["Alarm", "Arn"]}}}
    return json.dumps({"Resources": {"Alarm": resource}, "Outputs": outputs})


def test_an_alarm_goes_to_metric_math_and_back(cloud: LocalCloud) -> None:
    cloudformation, cloudwatch = cloud.deployment.client("cloudformation"), cloud.deployment.client("cloudwatch")

    def known() -> list[str]:
        return [each["AlarmName"] for each in cloudwatch.describe_alarms(AlarmNames=["extra"])["MetricAlarms"]]

    def wait_for(waiter: str) -> None:
        cloudformation.get_waiter(waiter).wait(StackName="extra-alarm", WaiterConfig={"Delay": 1})

    cloudformation.create_stack(StackName="extra-alarm", TemplateBody=alarm(on_metric_math=True))
    wait_for("stack_create_complete")
    (output,) = cloudformation.describe_stacks(StackName="extra-alarm")["Stacks"][0]["Outputs"]
    assert output["OutputValue"].endswith(":alarm:extra")
    assert known() == []
    cloudformation.update_stack(StackName="extra-alarm", TemplateBody=alarm(on_metric_math=False))
    wait_for("stack_update_complete")
    assert known() == ["extra"]
    cloudformation.update_stack(StackName="extra-alarm", TemplateBody=alarm(on_metric_math=True))
    wait_for("stack_update_complete")
    assert known() == []
    cloudformation.delete_stack(StackName="extra-alarm")
    wait_for("stack_delete_complete")


def test_the_emulator_still_refuses_metric_math_by_itself() -> None:
    """When it takes it, the addition can go."""
    with pytest.raises(ValueError, match="metric math"):
        _cw_metric_alarm_create("Alarm", {"AlarmName": "a", "Metrics": [{}]}, "stack")  # type: ignore[no-untyped-call]


def test_the_gpu_ami_parameter_can_be_read(cloud: LocalCloud) -> None:
    parameter = cloud.deployment.client("ssm").get_parameter(Name=GPU_AMI_PARAMETER)["Parameter"]
    assert parameter["Value"] == GPU_AMI_ID
