"""What each of our stacks promises: its resources, its exports, what its roles may do, and the values of Phase 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stacks import constants as c


@dataclass(frozen=True)
class Contract:
    """`resources` counts types without `AWS::`; `exports` are suffixes; `actions` are by logical id of the role."""

    resources: Mapping[str, int]
    exports: frozenset[str]
    actions: Mapping[str, frozenset[str]]


def _of(service: str, actions: str) -> frozenset[str]:
    return frozenset(f"{service}:{action}" for action in actions.split())


_PULL: Final = frozenset(
    {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
    }
)
_SEND: Final = frozenset({"sqs:GetQueueAttributes", "sqs:SendMessage"})
_LOG: Final = frozenset({"logs:CreateLogStream", "logs:PutLogEvents"})

CONTRACTS: Final = {
    "network": Contract(
        resources={
            "EC2::VPC": 1,
            "EC2::InternetGateway": 1,
            "EC2::VPCGatewayAttachment": 1,
            "EC2::Subnet": 6,
            "EC2::RouteTable": 4,
            "EC2::SubnetRouteTableAssociation": 6,
            "EC2::Route": 4,
            "EC2::EIP": 3,
            "EC2::NatGateway": 3,
            "EC2::VPCEndpoint": 2,
        },
        exports=frozenset({c.EXPORT_VPC, c.EXPORT_PUBLIC_SUBNETS, c.EXPORT_PRIVATE_SUBNETS}),
        actions={},
    ),
    "foundation": Contract(
        resources={
            "S3::Bucket": 3,
            "S3::BucketPolicy": 3,
            "DynamoDB::Table": 3,
            "SQS::Queue": 3,
            "SQS::QueuePolicy": 3,
            "ECR::Repository": 1,
            "SNS::Topic": 1,
            "SNS::TopicPolicy": 1,
            "SNS::Subscription": 1,
            "SSM::Parameter": 1,
        },
        exports=frozenset(
            {
                c.EXPORT_IMAGES_BUCKET,
                c.EXPORT_MODELS_BUCKET,
                c.EXPORT_ARTIFACTS_BUCKET,
                c.EXPORT_JOBS_TABLE,
                c.EXPORT_JOBS_TABLE_STREAM_ARN,
                c.EXPORT_KEYS_TABLE,
                c.EXPORT_USAGE_TABLE,
                c.EXPORT_GPU_QUEUE_URL,
                c.EXPORT_GPU_QUEUE_ARN,
                c.EXPORT_CPU_QUEUE_URL,
                c.EXPORT_CPU_QUEUE_ARN,
                c.EXPORT_DEAD_LETTER_QUEUE_URL,
                c.EXPORT_DEAD_LETTER_QUEUE_ARN,
                c.EXPORT_REPOSITORY_URI,
                c.EXPORT_REPOSITORY_ARN,
                c.EXPORT_ALERT_TOPIC_ARN,
                c.EXPORT_TRAFFIC_PARAMETER,
            }
        ),
        actions={},
    ),
    "image": Contract(
        resources={"Logs::LogGroup": 1, "IAM::Role": 1, "CodeBuild::Project": 1},
        exports=frozenset({c.EXPORT_BUILD_PROJECT}),
        actions={
            "BuildRole": _of("ecr", "CompleteLayerUpload DescribeImages InitiateLayerUpload PutImage UploadLayerPart")
            | _of("s3", "GetBucketAcl GetBucketLocation GetObject ListBucket")
            | _PULL
            | _LOG
        },
    ),
    "gpu-cluster": Contract(
        resources={
            "ECS::Cluster": 1,
            "EC2::LaunchTemplate": 1,
            "EC2::SecurityGroup": 1,
            "AutoScaling::AutoScalingGroup": 1,
            "ECS::CapacityProvider": 1,
            "ECS::ClusterCapacityProviderAssociations": 1,
            "ECS::TaskDefinition": 1,
            "Logs::LogGroup": 1,
            "IAM::Role": 3,
            "IAM::InstanceProfile": 1,
        },
        exports=frozenset(
            {
                c.EXPORT_CLUSTER_NAME,
                c.EXPORT_AUTO_SCALING_GROUP,
                c.EXPORT_CAPACITY_PROVIDER,
                c.EXPORT_GPU_LOG_GROUP,
            }
        ),
        actions={
            "HostRole": _of("ecs", "DeregisterContainerInstance DiscoverPollEndpoint Poll RegisterContainerInstance")
            | _of("ecs", "StartTelemetrySession SubmitAttachmentStateChanges SubmitContainerStateChange")
            | _of("ecs", "SubmitTaskStateChange UpdateContainerInstancesState"),
            "ExecutionRole": _PULL | _LOG,
            "TaskRole": frozenset(
                {
                    "dynamodb:GetItem",
                    "dynamodb:UpdateItem",
                    "ecs:GetTaskProtection",
                    "ecs:UpdateTaskProtection",
                    "s3:GetObject",
                    "s3:ListBucket",
                    "s3:PutObject",
                    "sqs:ChangeMessageVisibility",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:ReceiveMessage",
                    "sqs:SendMessage",
                }
            ),
        },
    ),
    "api": Contract(
        resources={
            "ApiGateway::RestApi": 1,
            "ApiGateway::Resource": 3,
            "ApiGateway::Method": 3,
            "ApiGateway::Authorizer": 1,
            "ApiGateway::GatewayResponse": 9,
            "ApiGateway::Deployment": 1,
            "ApiGateway::Stage": 1,
            "ApiGateway::Account": 1,
            "Lambda::EventSourceMapping": 2,
            "Lambda::Function": 4,
            "Lambda::Permission": 3,
            "Events::Rule": 1,
            "Logs::LogGroup": 5,
            "IAM::Role": 5,
            "SQS::Queue": 1,
            "SQS::QueuePolicy": 1,
        },
        exports=frozenset(
            {
                c.EXPORT_API_ID,
                c.EXPORT_API_STAGE,
                c.EXPORT_API_URL,
                c.EXPORT_API_FUNCTION,
                c.EXPORT_API_LOG_GROUP,
            }
        ),
        actions={
            "SweepRole": frozenset({"dynamodb:Query", "dynamodb:UpdateItem"}) | _SEND | _LOG,
            "AuthorizerRole": frozenset({"dynamodb:GetItem"}) | _LOG,
            "WebhookRole": _of("dynamodb", "DescribeStream GetItem GetRecords GetShardIterator ListStreams UpdateItem")
            | _of("sqs", "ChangeMessageVisibility DeleteMessage ReceiveMessage")
            | _SEND
            | _LOG,
            "FunctionRole": _of("dynamodb", "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem")
            | _of("s3", "DeleteObject GetObject")
            | _SEND
            | _LOG,
            "GatewayLogsRole": frozenset(),
        },
    ),
    "observability": Contract(
        resources={
            "CloudWatch::Alarm": 9,
            "CloudWatch::Dashboard": 1,
            "Events::Rule": 1,
            "Logs::QueryDefinition": 16,
        },
        exports=frozenset(),
        actions={},
    ),
}
