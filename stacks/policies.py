"""IAM policies as symbols: who may assume a role, and what each role may do to which resource."""

from typing import Any

from awacs import dynamodb, ecr, ecs, logs, s3, sqs
from awacs.aws import (
    Action,
    Allow,
    Bool,
    Condition,
    Deny,
    PolicyDocument,
    Principal,
    Statement,
    StringEquals,
)
from awacs.sts import AssumeRole
from troposphere import AccountId, Sub
from troposphere.iam import Policy

from stacks.constants import (
    CLUSTER_NAME,
    EXPORT_CPU_QUEUE_ARN,
    EXPORT_DEAD_LETTER_QUEUE_ARN,
    EXPORT_GPU_QUEUE_ARN,
    EXPORT_IMAGES_BUCKET,
    EXPORT_JOBS_TABLE,
    EXPORT_MODELS_BUCKET,
    EXPORT_REPOSITORY_ARN,
)
from stacks.template import import_value

_ARN = "arn:${AWS::Partition}"
_ECS_ARN = _ARN + ":ecs:${AWS::Region}:${AWS::AccountId}"

# AWS offers no narrower resource for these actions.
STAR_RESOURCE_REASONS = {
    "ecr:GetAuthorizationToken": "a registry login belongs to the account, not to a repository",
    "ecs:DiscoverPollEndpoint": "the agent asks it before it belongs to a cluster",
}


def trust(service: str, *, own_account_only: bool = False) -> PolicyDocument:
    """Lets an AWS service assume the role; for this account's resources alone where the service says whose they are."""
    condition = {"Condition": Condition(StringEquals({"aws:SourceAccount": AccountId}))} if own_account_only else {}
    return _document(
        Statement(
            Effect=Allow, Action=[AssumeRole], Principal=Principal("Service", f"{service}.amazonaws.com"), **condition
        )
    )


def tls_only(resources: list[Any], service: str) -> PolicyDocument:
    """Refuses every request that does not come over TLS."""
    return _document(
        Statement(
            Sid="DenyPlainText",
            Effect=Deny,
            Principal=Principal("*"),
            Action=[Action(service, "*")],
            Resource=resources,
            Condition=Condition(Bool({"aws:SecureTransport": "false"})),
        )
    )


def gpu_host() -> Policy:
    """The ECS agent's: join this cluster, report on its tasks, drain itself when spot is reclaimed."""
    cluster = Sub(f"{_ECS_ARN}:cluster/{CLUSTER_NAME}")
    host = Sub(f"{_ECS_ARN}:container-instance/{CLUSTER_NAME}/*")
    return Policy(
        PolicyName="ecs-agent",
        PolicyDocument=_document(
            _allow("DiscoverEndpoint", [ecs.DiscoverPollEndpoint], ["*"]),
            _allow(
                "JoinCluster",
                [
                    ecs.DeregisterContainerInstance,
                    ecs.RegisterContainerInstance,
                    ecs.SubmitAttachmentStateChanges,
                    ecs.SubmitContainerStateChange,
                    ecs.SubmitTaskStateChange,
                ],
                [cluster],
            ),
            _allow("ServeTasks", [ecs.Poll, ecs.StartTelemetrySession, ecs.UpdateContainerInstancesState], [host]),
        ),
    )


def gpu_execution(log_group_arn: Any) -> Policy:
    """What ECS itself needs to start a task: pull our image, open a log stream."""
    return Policy(
        PolicyName="start-task",
        PolicyDocument=_document(
            _allow("LogIn", [ecr.GetAuthorizationToken], ["*"]),
            _allow(
                "PullImage",
                [ecr.BatchCheckLayerAvailability, ecr.BatchGetImage, ecr.GetDownloadUrlForLayer],
                [import_value(EXPORT_REPOSITORY_ARN)],
            ),
            _allow("WriteLogs", [logs.CreateLogStream, logs.PutLogEvents], [log_group_arn]),
        ),
    )


def gpu_worker() -> Policy:
    """The worker's: take jobs, read models, write pictures, record results, keep its task while it works."""
    return Policy(
        PolicyName="work-on-jobs",
        PolicyDocument=_document(
            _allow(
                "TakeJobs",
                [sqs.ChangeMessageVisibility, sqs.DeleteMessage, sqs.GetQueueAttributes, sqs.ReceiveMessage],
                [import_value(EXPORT_GPU_QUEUE_ARN)],
            ),
            _allow("GiveUpJobs", [sqs.SendMessage], [import_value(EXPORT_DEAD_LETTER_QUEUE_ARN)]),
            _allow("RecordJobs", [dynamodb.GetItem, dynamodb.UpdateItem], [_table_arn()]),
            _allow("WritePictures", [s3.PutObject], [_objects_of(EXPORT_IMAGES_BUCKET)]),
            _allow("ListModels", [s3.ListBucket], [_bucket_arn(EXPORT_MODELS_BUCKET)]),
            _allow("ReadModels", [s3.GetObject], [_objects_of(EXPORT_MODELS_BUCKET)]),
            _allow(
                "ProtectOwnTask",
                [ecs.GetTaskProtection, ecs.UpdateTaskProtection],
                [Sub(f"{_ECS_ARN}:task/{CLUSTER_NAME}/*")],
            ),
        ),
    )


def api_function(log_group_arn: Any) -> Policy:
    """The API's: keep jobs, queue them, hand out and delete pictures."""
    return Policy(
        PolicyName="serve-jobs",
        PolicyDocument=_document(
            _allow(
                "KeepJobs",
                [dynamodb.DeleteItem, dynamodb.GetItem, dynamodb.PutItem, dynamodb.Query, dynamodb.UpdateItem],
                [_table_arn(), _table_arn("/index/*")],
            ),
            _allow(
                "QueueJobs",
                [sqs.GetQueueAttributes, sqs.SendMessage],
                [import_value(EXPORT_GPU_QUEUE_ARN), import_value(EXPORT_CPU_QUEUE_ARN)],
            ),
            _allow("ServePictures", [s3.DeleteObject, s3.GetObject], [_objects_of(EXPORT_IMAGES_BUCKET)]),
            _allow("WriteLogs", [logs.CreateLogStream, logs.PutLogEvents], [log_group_arn]),
        ),
    )


def _document(*statements: Statement) -> PolicyDocument:
    return PolicyDocument(Version="2012-10-17", Statement=list(statements))


def _allow(sid: str, actions: list[Action], resources: list[Any]) -> Statement:
    return Statement(Sid=sid, Effect=Allow, Action=actions, Resource=resources)


def _table_arn(suffix: str = "") -> Sub:
    arn = _ARN + ":dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}" + suffix
    return Sub(arn, Table=import_value(EXPORT_JOBS_TABLE))


def _bucket_arn(export: str) -> Sub:
    return Sub(_ARN + ":s3:::${Bucket}", Bucket=import_value(export))


def _objects_of(export: str) -> Sub:
    return Sub(_ARN + ":s3:::${Bucket}/*", Bucket=import_value(export))
