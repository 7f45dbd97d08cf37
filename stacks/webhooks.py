"""Webhooks: the function that announces ended jobs, the queue that keeps announcements, and what feeds them."""

import json
from typing import Any, Final

from troposphere import AWSHelperFn, GetAtt, Ref, Sub, Template, awslambda, iam, sqs

from jobs import names
from jobs.job import Status
from stacks import constants as c
from stacks import policies, role_policies
from stacks.log_groups import log_group
from stacks.template import add, import_value, project_tags

# A job that has just ended and wants to be announced. Whoever ended it: worker, API or sweep.
_JUST_ENDED: Final = {
    "eventName": ["MODIFY"],
    "dynamodb": {
        "OldImage": {names.STATUS: {"S": [str(status) for status in Status if not status.is_final]}},
        "NewImage": {
            names.STATUS: {"S": [str(status) for status in Status if status.is_final]},
            names.WEBHOOK_URL: {"S": [{"exists": True}]},
        },
    },
}


def add_webhooks(template: Template, package: dict[str, Any], log_kept_days: Ref) -> None:
    """Add the function, its queue, and its two sources: the jobs table's stream and that queue."""
    queue = sqs.Queue(
        "WebhookQueue",
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
        QueueName=Sub(c.WEBHOOK_QUEUE_NAME),
        # Six times the function's time-out, as Lambda wants it.
        VisibilityTimeout=6 * c.WEBHOOKS_TIMEOUT_SECONDS,
        MessageRetentionPeriod=c.MESSAGES_KEPT_SECONDS,
        SqsManagedSseEnabled=True,
        RedrivePolicy=sqs.RedrivePolicy(
            deadLetterTargetArn=import_value(c.EXPORT_DEAD_LETTER_QUEUE_ARN),
            # The function gives up by itself; this is for announcements at which it dies.
            maxReceiveCount=len(c.WEBHOOK_RETRY_SECONDS) + 3,
        ),
        Tags=project_tags(),
    )
    queue_policy = sqs.QueuePolicy(
        "WebhookQueuePolicy", Queues=[Ref(queue)], PolicyDocument=policies.tls_only("sqs", [GetAtt(queue, "Arn")])
    )
    lines = log_group("WebhookLogGroup", c.WEBHOOKS_LOG_GROUP_NAME, log_kept_days)
    role = iam.Role(
        "WebhookRole",
        AssumeRolePolicyDocument=policies.trust("lambda"),
        Policies=[role_policies.webhooks(GetAtt(queue, "Arn"), GetAtt(lines, "Arn"))],
        Tags=project_tags(),
    )
    environment = awslambda.Environment(
        Variables={
            names.ENV_JOBS_TABLE: import_value(c.EXPORT_JOBS_TABLE),
            names.ENV_KEYS_TABLE: import_value(c.EXPORT_KEYS_TABLE),
            names.ENV_WEBHOOK_QUEUE_URL: Ref(queue),
            names.ENV_WEBHOOK_RETRY_SECONDS: ",".join(map(str, c.WEBHOOK_RETRY_SECONDS)),
        }
    )
    function = awslambda.Function(
        "WebhookFunction",
        **{**package, "MemorySize": c.WEBHOOKS_MEMORY_MB, "Environment": environment},
        FunctionName=Sub(c.WEBHOOKS_NAME),
        Handler=names.WEBHOOKS_HANDLER,
        Timeout=c.WEBHOOKS_TIMEOUT_SECONDS,
        Role=GetAtt(role, "Arn"),
        LoggingConfig=awslambda.LoggingConfig(LogFormat="JSON", LogGroup=Ref(lines)),
    )
    ended = _source(
        "EndedJobs",
        function,
        import_value(c.EXPORT_JOBS_TABLE_STREAM_ARN),
        BatchSize=10,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria=awslambda.FilterCriteria(Filters=[awslambda.Filter(Pattern=json.dumps(_JUST_ENDED))]),
    )
    announcements = _source(
        "WebhookMessages",
        function,
        GetAtt(queue, "Arn"),
        # One at a time: a receiver that is slow holds up its own announcement and no other.
        BatchSize=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig=awslambda.ScalingConfig(MaximumConcurrency=c.WEBHOOKS_CONCURRENCY_MAX),
    )
    add(template, queue, queue_policy, lines, role, function, ended, announcements)


def _source(
    title: str, function: awslambda.Function, arn: AWSHelperFn, **properties: Any
) -> awslambda.EventSourceMapping:
    return awslambda.EventSourceMapping(
        title, FunctionName=Ref(function), EventSourceArn=arn, Tags=project_tags(), **properties
    )
