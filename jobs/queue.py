"""The job queue: a message says which job to run, and stays on the queue until its job has ended."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.job import timestamp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

LONG_POLL_SECONDS_MAX: Final = 20
VISIBILITY_SECONDS_MAX: Final = 12 * 60 * 60


class JobMessage(BaseModel):
    """What travels: the job's id, and the correlation id so that a worker's first log line already carries it."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    correlation_id: str


@dataclass(frozen=True)
class Delivery:
    """One receipt of a message. `message` is None when the body is not one of ours."""

    message: JobMessage | None
    receipt_handle: str
    queued_at: str
    receive_count: int


class JobQueue:
    """One SQS queue."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, message: JobMessage) -> None:
        """Queue a job."""
        self._sqs.send_message(QueueUrl=self._url, MessageBody=message.model_dump_json())

    def receive(self, *, wait_seconds: int, visibility_seconds: int) -> Delivery | None:
        """The next message, hidden from others for `visibility_seconds`; None after `wait_seconds` without one."""
        received = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
        )
        messages = received.get("Messages", [])
        return _delivery(messages[0]) if messages else None

    def delete(self, delivery: Delivery) -> None:
        """The job has ended: take its message off the queue."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=delivery.receipt_handle)

    def hide(self, delivery: Delivery, *, seconds: int) -> None:
        """Keep the message invisible for `seconds` from now; 0 gives it to the next worker at once."""
        self._sqs.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=delivery.receipt_handle,
            VisibilityTimeout=min(seconds, VISIBILITY_SECONDS_MAX),
        )


def _delivery(message: "MessageTypeDef") -> Delivery:
    try:
        body = JobMessage.model_validate_json(message["Body"])
    except ValidationError:
        body = None
    attributes = message["Attributes"]
    sent = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
    return Delivery(
        message=body,
        receipt_handle=message["ReceiptHandle"],
        queued_at=timestamp(sent),
        receive_count=int(attributes["ApproximateReceiveCount"]),
    )
