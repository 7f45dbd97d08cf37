"""What the emulator lacks and we add: each type is created, updated and deleted by CloudFormation itself."""

import json
from typing import Any

import pytest
from botocore.exceptions import WaiterError

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


def test_the_gpu_ami_parameter_can_be_read(cloud: LocalCloud) -> None:
    parameter = cloud.deployment.client("ssm").get_parameter(Name=GPU_AMI_PARAMETER)["Parameter"]
    assert parameter["Value"] == GPU_AMI_ID
