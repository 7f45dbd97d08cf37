"""Every resource that the system needs is deployed: taking one out of a stack is noticed here, by name."""

import json
import re

import pytest

from local_cloud.cloud import LocalCloud

FOUNDATION = {
    "AlertTopic": "AWS::SNS::Topic",
    "AlertTopicPolicy": "AWS::SNS::TopicPolicy",
    "ArtifactsBucket": "AWS::S3::Bucket",
    "ArtifactsBucketPolicy": "AWS::S3::BucketPolicy",
    "CpuQueue": "AWS::SQS::Queue",
    "CpuQueuePolicy": "AWS::SQS::QueuePolicy",
    "DeadLetterQueue": "AWS::SQS::Queue",
    "DeadLetterQueuePolicy": "AWS::SQS::QueuePolicy",
    "GpuQueue": "AWS::SQS::Queue",
    "GpuQueuePolicy": "AWS::SQS::QueuePolicy",
    "ImagesBucket": "AWS::S3::Bucket",
    "ImagesBucketPolicy": "AWS::S3::BucketPolicy",
    "JobsTable": "AWS::DynamoDB::Table",
    "KeysTable": "AWS::DynamoDB::Table",
    "ModelsBucket": "AWS::S3::Bucket",
    "ModelsBucketPolicy": "AWS::S3::BucketPolicy",
    "Repository": "AWS::ECR::Repository",
    "TrafficParameter": "AWS::SSM::Parameter",
    "UsageTable": "AWS::DynamoDB::Table",
}
GPU_CLUSTER = {
    "AutoScalingGroup": "AWS::AutoScaling::AutoScalingGroup",
    "CapacityProvider": "AWS::ECS::CapacityProvider",
    "CapacityProviderAssociation": "AWS::ECS::ClusterCapacityProviderAssociations",
    "Cluster": "AWS::ECS::Cluster",
    "ExecutionRole": "AWS::IAM::Role",
    "HostProfile": "AWS::IAM::InstanceProfile",
    "HostRole": "AWS::IAM::Role",
    "HostSecurityGroup": "AWS::EC2::SecurityGroup",
    "LaunchTemplate": "AWS::EC2::LaunchTemplate",
    "LogGroup": "AWS::Logs::LogGroup",
    "TaskDefinition": "AWS::ECS::TaskDefinition",
    "TaskRole": "AWS::IAM::Role",
}
API = {
    "AccessDeniedResponse": "AWS::ApiGateway::GatewayResponse",
    "AccessLogGroup": "AWS::Logs::LogGroup",
    "Api": "AWS::ApiGateway::RestApi",
    "Authorizer": "AWS::ApiGateway::Authorizer",
    "AuthorizerFunction": "AWS::Lambda::Function",
    "AuthorizerLogGroup": "AWS::Logs::LogGroup",
    "AuthorizerPermission": "AWS::Lambda::Permission",
    "AuthorizerRole": "AWS::IAM::Role",
    "Default4xxResponse": "AWS::ApiGateway::GatewayResponse",
    "Default5xxResponse": "AWS::ApiGateway::GatewayResponse",
    "Deployment": "AWS::ApiGateway::Deployment",
    "DocsMethod": "AWS::ApiGateway::Method",
    "DocsResource": "AWS::ApiGateway::Resource",
    "EndedJobs": "AWS::Lambda::EventSourceMapping",
    "Function": "AWS::Lambda::Function",
    "FunctionLogGroup": "AWS::Logs::LogGroup",
    "FunctionRole": "AWS::IAM::Role",
    "GatewayAccount": "AWS::ApiGateway::Account",
    "GatewayLogsRole": "AWS::IAM::Role",
    "GatewayPermission": "AWS::Lambda::Permission",
    "IntegrationFailureResponse": "AWS::ApiGateway::GatewayResponse",
    "IntegrationTimeoutResponse": "AWS::ApiGateway::GatewayResponse",
    "MissingAuthenticationTokenResponse": "AWS::ApiGateway::GatewayResponse",
    "OpenapiJsonMethod": "AWS::ApiGateway::Method",
    "OpenapiJsonResource": "AWS::ApiGateway::Resource",
    "ProxyMethod": "AWS::ApiGateway::Method",
    "ProxyResource": "AWS::ApiGateway::Resource",
    "RequestTooLargeResponse": "AWS::ApiGateway::GatewayResponse",
    "Stage": "AWS::ApiGateway::Stage",
    "SweepFunction": "AWS::Lambda::Function",
    "SweepLogGroup": "AWS::Logs::LogGroup",
    "SweepPermission": "AWS::Lambda::Permission",
    "SweepRole": "AWS::IAM::Role",
    "SweepRule": "AWS::Events::Rule",
    "ThrottledResponse": "AWS::ApiGateway::GatewayResponse",
    "UnauthorizedResponse": "AWS::ApiGateway::GatewayResponse",
    "WebhookFunction": "AWS::Lambda::Function",
    "WebhookLogGroup": "AWS::Logs::LogGroup",
    "WebhookMessages": "AWS::Lambda::EventSourceMapping",
    "WebhookQueue": "AWS::SQS::Queue",
    "WebhookQueuePolicy": "AWS::SQS::QueuePolicy",
    "WebhookRole": "AWS::IAM::Role",
}
OBSERVABILITY = {
    "ApiErrorsQuery": "AWS::Logs::QueryDefinition",
    "ApiLatencyQuery": "AWS::Logs::QueryDefinition",
    "ApiRefusalsQuery": "AWS::Logs::QueryDefinition",
    "BacklogWithoutWorkerAlarm": "AWS::CloudWatch::Alarm",
    "CrashesAlarm": "AWS::CloudWatch::Alarm",
    "DailyCostAlarm": "AWS::CloudWatch::Alarm",
    "Dashboard": "AWS::CloudWatch::Dashboard",
    "DeadLettersAlarm": "AWS::CloudWatch::Alarm",
    "ErrorShareAlarm": "AWS::CloudWatch::Alarm",
    "IdleGpuAlarm": "AWS::CloudWatch::Alarm",
    "JobsCostQuery": "AWS::Logs::QueryDefinition",
    "JobsFailuresQuery": "AWS::Logs::QueryDefinition",
    "JobsPercentilesQuery": "AWS::Logs::QueryDefinition",
    "JobsSlowestQuery": "AWS::Logs::QueryDefinition",
    "JobsStoryQuery": "AWS::Logs::QueryDefinition",
    "JobsThroughputQuery": "AWS::Logs::QueryDefinition",
    "LatencyAlarm": "AWS::CloudWatch::Alarm",
    "LaunchFailuresAlarm": "AWS::CloudWatch::Alarm",
    "LaunchFailuresRule": "AWS::Events::Rule",
    "LogsWarningsQuery": "AWS::Logs::QueryDefinition",
    "OldestJobAlarm": "AWS::CloudWatch::Alarm",
    "QueueBacklogQuery": "AWS::Logs::QueryDefinition",
    "WorkersAliveQuery": "AWS::Logs::QueryDefinition",
    "WorkersColdStartsQuery": "AWS::Logs::QueryDefinition",
    "WorkersIdleQuery": "AWS::Logs::QueryDefinition",
    "WorkersInterruptionsQuery": "AWS::Logs::QueryDefinition",
    "WorkersMemoryQuery": "AWS::Logs::QueryDefinition",
}


@pytest.mark.parametrize(
    ("stack", "expected"),
    [("foundation", FOUNDATION), ("gpu-cluster", GPU_CLUSTER), ("api", API), ("observability", OBSERVABILITY)],
)
def test_a_stack_holds_what_the_system_needs(cloud: LocalCloud, stack: str, expected: dict[str, str]) -> None:
    cloudformation = cloud.deployment.client("cloudformation")
    resources = cloudformation.describe_stack_resources(StackName=f"gameforge-{stack}")["StackResources"]
    # A REST API's deployment is named by its content.
    deployed = {re.sub(r"^Deployment.*", "Deployment", r["LogicalResourceId"]): r["ResourceType"] for r in resources}
    assert deployed == expected


def test_the_phase_1_names_are_the_deployed_ones(cloud: LocalCloud) -> None:
    ecs, groups = cloud.deployment.client("ecs"), cloud.deployment.client("autoscaling")
    (cluster,) = ecs.describe_clusters(clusters=["gameforge-sdxl-gpu-cluster"])["clusters"]
    assert cluster["capacityProviders"] == ["gameforge-gpu-capacity-provider"]
    task = ecs.describe_task_definition(taskDefinition="gameforge-sdxl-gpu-task")["taskDefinition"]
    assert (task["requiresCompatibilities"], task["cpu"], task["memory"]) == (["EC2"], "2048", "14336")
    found = groups.describe_auto_scaling_groups(AutoScalingGroupNames=["gameforge-gpu-asg"])["AutoScalingGroups"]
    assert [(group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) for group in found] == [(0, 2, 1)]
    templates = cloud.deployment.client("ec2").describe_launch_templates()["LaunchTemplates"]
    assert "gameforge-gpu-template" in [template["LaunchTemplateName"] for template in templates]


def test_the_dashboard_that_is_deployed_can_be_read(cloud: LocalCloud) -> None:
    found = cloud.deployment.client("cloudwatch").get_dashboard(DashboardName="gameforge")
    widgets = json.loads(found["DashboardBody"])["widgets"]
    assert len(widgets) == 13
    (states,) = (widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm")
    assert len(states) == 9
    assert all(re.fullmatch(r"arn:aws:cloudwatch:us-east-1:\d{12}:alarm:gameforge-[a-z-]+", arn) for arn in states)


def test_a_launch_failure_reaches_the_alert_topic_with_its_reason(cloud: LocalCloud) -> None:
    """The rule, its message, and the topic: what EC2 Auto Scaling says comes out at a subscriber."""
    sns, sqs, events = (cloud.deployment.client(service) for service in ("sns", "sqs", "events"))
    (topic,) = (each["TopicArn"] for each in sns.list_topics()["Topics"] if each["TopicArn"].endswith("-alerts"))
    queue = sqs.create_queue(QueueName="hears-alerts")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)["SubscriptionArn"]
    rule = "gameforge-launch-failures"
    written = json.loads(events.describe_rule(Name=rule)["EventPattern"])
    assert written["source"] == ["aws.autoscaling"]

    def fail(group: str, reason: str) -> None:
        detail = json.dumps({"AutoScalingGroupName": group, "StatusMessage": reason, "StatusCode": "Failed"})
        kind = "EC2 Instance Launch Unsuccessful"
        answer = events.put_events(Entries=[{"Source": "test.autoscaling", "DetailType": kind, "Detail": detail}])
        assert answer["FailedEntryCount"] == 0

    try:
        # AWS alone may send events of its services, so the rule listens to ours for a moment.
        events.put_rule(Name=rule, EventPattern=json.dumps({**written, "source": ["test.autoscaling"]}))
        fail("somebody-elses-asg", "no")
        fail("gameforge-gpu-asg", "We currently do not have sufficient g4dn.xlarge capacity.")
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, MaxNumberOfMessages=10)["Messages"]
        texts = [json.loads(message["Body"])["Message"] for message in messages]
        assert [json.loads(text) for text in texts] == [
            "gameforge could not launch a GPU host: We currently do not have sufficient g4dn.xlarge capacity. "
            "What to do: docs/runbook.md#launch-failures"
        ]
    finally:
        events.put_rule(Name=rule, EventPattern=json.dumps(written))
        sns.unsubscribe(SubscriptionArn=subscription)
        sqs.delete_queue(QueueUrl=queue)
