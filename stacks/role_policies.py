"""What each role may do: one function a role, each naming the resources it means."""

from typing import Any, Final

from awacs import dynamodb, ecr, ecs, logs, s3, sqs
from awacs.aws import Allow, Condition, ForAllValuesStringEquals, Statement, StringEqualsIfExists
from troposphere import Sub
from troposphere.iam import Policy

from jobs.keys import PUBLIC_ATTRIBUTES
from stacks import constants as c
from stacks.policies import allow, document
from stacks.template import import_value

_ARN: Final = "arn:${AWS::Partition}"
_ECS_ARN: Final = _ARN + ":ecs:${AWS::Region}:${AWS::AccountId}"


def gpu_host() -> Policy:
    """The ECS agent: join this cluster, report on its tasks, drain itself when spot is reclaimed."""
    cluster = Sub(f"{_ECS_ARN}:cluster/{c.CLUSTER_NAME}")
    hosts = Sub(f"{_ECS_ARN}:container-instance/{c.CLUSTER_NAME}/*")
    joining = [
        ecs.DeregisterContainerInstance,
        ecs.RegisterContainerInstance,
        ecs.SubmitAttachmentStateChanges,
        ecs.SubmitContainerStateChange,
        ecs.SubmitTaskStateChange,
    ]
    serving = [ecs.Poll, ecs.StartTelemetrySession, ecs.UpdateContainerInstancesState]
    return Policy(
        PolicyName="run-ecs-agent",
        PolicyDocument=document(
            allow("DiscoverEndpoint", [ecs.DiscoverPollEndpoint], ["*"]),
            allow("JoinCluster", joining, [cluster]),
            allow("ServeTasks", serving, [hosts]),
        ),
    )


def gpu_execution(log_group_arn: Any) -> Policy:
    """ECS itself, to start a task: pull our image, open a log stream."""
    return Policy(
        PolicyName="start-task",
        PolicyDocument=document(_log_in(), _pull_image(), _write_logs(log_group_arn)),
    )


def gpu_worker() -> Policy:
    """The worker: take jobs, read models, write pictures, record results, keep its task while it works."""
    taking = [sqs.ChangeMessageVisibility, sqs.DeleteMessage, sqs.GetQueueAttributes, sqs.ReceiveMessage]
    protecting = [ecs.GetTaskProtection, ecs.UpdateTaskProtection]
    return Policy(
        PolicyName="work-on-jobs",
        PolicyDocument=document(
            allow("TakeJobs", taking, [import_value(c.EXPORT_GPU_QUEUE_ARN)]),
            allow("RecordJobs", [dynamodb.GetItem, dynamodb.UpdateItem], [_table_arn()]),
            allow("WritePictures", [s3.PutObject], [_objects_arn(c.EXPORT_IMAGES_BUCKET)]),
            allow("ListModels", [s3.ListBucket], [_bucket_arn(c.EXPORT_MODELS_BUCKET)]),
            allow("ReadModels", [s3.GetObject], [_objects_arn(c.EXPORT_MODELS_BUCKET)]),
            allow("ProtectOwnTask", protecting, [Sub(f"{_ECS_ARN}:task/{c.CLUSTER_NAME}/*")]),
            allow("GiveUpJobs", [sqs.SendMessage], [import_value(c.EXPORT_DEAD_LETTER_QUEUE_ARN)]),
        ),
    )


def api_function(log_group_arn: Any) -> Policy:
    """The API: keep jobs, queue them, hand out and delete pictures."""
    keeping = [
        dynamodb.BatchGetItem,
        dynamodb.DeleteItem,
        dynamodb.GetItem,
        dynamodb.PutItem,
        dynamodb.Query,
        dynamodb.UpdateItem,
    ]
    queues = [import_value(c.EXPORT_GPU_QUEUE_ARN), import_value(c.EXPORT_CPU_QUEUE_ARN)]
    return Policy(
        PolicyName="serve-jobs",
        PolicyDocument=document(
            allow("KeepJobs", keeping, [_table_arn(), _table_arn("/index/*")]),
            allow("CountUse", [dynamodb.GetItem, dynamodb.UpdateItem], [_table_arn(table=c.EXPORT_USAGE_TABLE)]),
            allow("QueueJobs", [sqs.GetQueueAttributes, sqs.SendMessage], queues),
            allow("ServePictures", [s3.DeleteObject, s3.GetObject], [_objects_arn(c.EXPORT_IMAGES_BUCKET)]),
            _write_logs(log_group_arn),
        ),
    )


def sweep_function(log_group_arn: Any) -> Policy:
    """The sweep: find jobs that are not on their queue, put them there, note that they are."""
    queues = [import_value(c.EXPORT_GPU_QUEUE_ARN), import_value(c.EXPORT_CPU_QUEUE_ARN)]
    return Policy(
        PolicyName="queue-lost-jobs",
        PolicyDocument=document(
            allow("FindJobs", [dynamodb.Query], [_table_arn("/index/*")]),
            allow("MarkJobs", [dynamodb.UpdateItem], [_table_arn()]),
            allow("QueueJobs", [sqs.GetQueueAttributes, sqs.SendMessage], queues),
            _write_logs(log_group_arn),
        ),
    )


def authorizer(log_group_arn: Any) -> Policy:
    """The authorizer: look keys up, without the secrets that webhooks are signed with."""
    lookup = Statement(
        Sid="LookKeysUp",
        Effect=Allow,
        Action=[dynamodb.GetItem],
        Resource=[_table_arn(table=c.EXPORT_KEYS_TABLE)],
        Condition=Condition(
            [
                ForAllValuesStringEquals({"dynamodb:Attributes": list(PUBLIC_ATTRIBUTES)}),
                StringEqualsIfExists({"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}),
            ]
        ),
    )
    return Policy(PolicyName="check-keys", PolicyDocument=document(lookup, _write_logs(log_group_arn)))


def webhooks(queue_arn: Any, log_group_arn: Any) -> Policy:
    """The webhooks: hear of ended jobs, keep announcements, sign them, note their outcome."""
    hearing = [dynamodb.DescribeStream, dynamodb.GetRecords, dynamodb.GetShardIterator, dynamodb.ListStreams]
    keeping = [
        sqs.ChangeMessageVisibility,
        sqs.DeleteMessage,
        sqs.GetQueueAttributes,
        sqs.ReceiveMessage,
        sqs.SendMessage,
    ]
    return Policy(
        PolicyName="announce-jobs",
        PolicyDocument=document(
            allow("HearOfEndedJobs", hearing, [import_value(c.EXPORT_JOBS_TABLE_STREAM_ARN)]),
            allow("KeepAnnouncements", keeping, [queue_arn]),
            allow("NoteOutcomes", [dynamodb.GetItem, dynamodb.UpdateItem], [_table_arn()]),
            allow("Sign", [dynamodb.GetItem], [_table_arn(table=c.EXPORT_KEYS_TABLE)]),
            _write_logs(log_group_arn),
        ),
    )


def image_build(log_group_arn: Any) -> Policy:
    """The image build: read the source, push the image."""
    pushing = [
        ecr.BatchCheckLayerAvailability,
        ecr.CompleteLayerUpload,
        ecr.DescribeImages,
        ecr.InitiateLayerUpload,
        ecr.PutImage,
        ecr.UploadLayerPart,
    ]
    finding = [s3.GetBucketAcl, s3.GetBucketLocation, s3.ListBucket]
    return Policy(
        PolicyName="build-image",
        PolicyDocument=document(
            allow("FindSource", finding, [_bucket_arn(c.EXPORT_ARTIFACTS_BUCKET)]),
            allow("ReadSource", [s3.GetObject], [_objects_arn(c.EXPORT_ARTIFACTS_BUCKET)]),
            _log_in(),
            _pull_image(),
            allow("PushImage", pushing, [import_value(c.EXPORT_REPOSITORY_ARN)]),
            _write_logs(log_group_arn),
        ),
    )


def _log_in() -> Any:
    return allow("LogIn", [ecr.GetAuthorizationToken], ["*"])


def _pull_image() -> Any:
    pulling = [ecr.BatchCheckLayerAvailability, ecr.BatchGetImage, ecr.GetDownloadUrlForLayer]
    return allow("PullImage", pulling, [import_value(c.EXPORT_REPOSITORY_ARN)])


def _write_logs(log_group_arn: Any) -> Any:
    return allow("WriteLogs", [logs.CreateLogStream, logs.PutLogEvents], [log_group_arn])


def _table_arn(suffix: str = "", *, table: str = c.EXPORT_JOBS_TABLE) -> Sub:
    arn = _ARN + ":dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}" + suffix
    return Sub(arn, Table=import_value(table))


def _bucket_arn(export: str) -> Sub:
    return Sub(_ARN + ":s3:::${Bucket}", Bucket=import_value(export))


def _objects_arn(export: str) -> Sub:
    return Sub(_ARN + ":s3:::${Bucket}/*", Bucket=import_value(export))
