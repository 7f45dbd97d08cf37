"""The job queues, one a side, and the dead letters of all queues."""

from troposphere import GetAtt, Ref, Sub, Template, sqs

from jobs import names
from stacks import constants as c
from stacks import policies
from stacks.template import add, export, project_tags


def add_queues(template: Template) -> None:
    """Add the queues, their policies and their outputs."""
    sources = {"GpuQueue": c.GPU_QUEUE_NAME, "CpuQueue": c.CPU_QUEUE_NAME}
    # By name: the queues refer to their dead letters already, and two references would be a circle.
    source_arns = [
        Sub("arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:" + name)
        for name in (*sources.values(), c.WEBHOOK_QUEUE_NAME)
    ]
    dead_letters = sqs.Queue(
        "DeadLetterQueue",
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
        QueueName=Sub(c.DEAD_LETTER_QUEUE_NAME),
        MessageRetentionPeriod=c.DEAD_LETTERS_KEPT_SECONDS,
        SqsManagedSseEnabled=True,
        RedriveAllowPolicy={"redrivePermission": "byQueue", "sourceQueueArns": source_arns},
        Tags=project_tags(),
    )
    _add_queue(template, dead_letters, c.EXPORT_DEAD_LETTER_QUEUE_URL, c.EXPORT_DEAD_LETTER_QUEUE_ARN)
    exports = {
        "GpuQueue": (c.EXPORT_GPU_QUEUE_URL, c.EXPORT_GPU_QUEUE_ARN),
        "CpuQueue": (c.EXPORT_CPU_QUEUE_URL, c.EXPORT_CPU_QUEUE_ARN),
    }
    for title, name in sources.items():
        queue = sqs.Queue(
            title,
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
            QueueName=Sub(name),
            VisibilityTimeout=names.VISIBILITY_TIMEOUT_SECONDS,
            MessageRetentionPeriod=c.MESSAGES_KEPT_SECONDS,
            ReceiveMessageWaitTimeSeconds=c.LONG_POLL_SECONDS,
            SqsManagedSseEnabled=True,
            RedrivePolicy=sqs.RedrivePolicy(
                deadLetterTargetArn=GetAtt(dead_letters, "Arn"), maxReceiveCount=names.MAX_RECEIVE_COUNT
            ),
            Tags=project_tags(),
        )
        _add_queue(template, queue, *exports[title])


def _add_queue(template: Template, queue: sqs.Queue, export_url: str, export_arn: str) -> None:
    title, name = str(queue.title), export_url.removesuffix("-url")
    policy = sqs.QueuePolicy(
        f"{title}Policy",
        Queues=[Ref(queue)],
        PolicyDocument=policies.tls_only("sqs", [GetAtt(queue, "Arn")]),
    )
    add(
        template,
        queue,
        policy,
        export(f"{title}Url", f"URL of the {name}.", Ref(queue), export_url),
        export(f"{title}Arn", f"ARN of the {name}.", GetAtt(queue, "Arn"), export_arn),
    )
