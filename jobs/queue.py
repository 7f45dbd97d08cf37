"""The job queue: a message says which job to run, and stays on the queue until its job has ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.job import timestamp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef, MessageTypeDef

LONG_POLL_SECONDS_MAX: Final = 20
VISIBILITY_SECONDS_MAX: Final = 12 * 60 * 60
# The most that SQS takes in one call.
MESSAGES_MAX: Final = 10


class QueueError(Exception):
    """SQS answered, but did only a part of what it was asked to."""


class JobMessage(BaseModel):
    """What travels: the job's id, and the correlation id so that a worker's first log line already carries it."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    correlation_id: str


@dataclass(frozen=True)
class Delivery:
    """One receipt of a message. `message` is None when the body is not one of ours."""

    message: JobMessage | None
    body: str
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
        self.send_body(message.model_dump_json())

    def send_body(self, body: str) -> None:
        """Send a message as it stands: to the dead letters, whatever it is."""
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body)

    def receive(self, *, messages_max: int, wait_seconds: int, visibility_seconds: int) -> list[Delivery]:
        """Up to `messages_max` messages, hidden from others for `visibility_seconds`; none after `wait_seconds`."""
        received = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(messages_max, MESSAGES_MAX),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
        )
        return [_delivery(message) for message in received.get("Messages", [])]

    def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Their jobs have ended: take their messages off the queue. Raises `QueueError` if any stays."""
        for some in _batches(deliveries):
            answer = self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(i), "ReceiptHandle": d.receipt_handle} for i, d in enumerate(some)],
            )
            _check(answer.get("Failed", []))

    def hide(self, deliveries: Sequence[Delivery], *, seconds: int) -> None:
        """Keep messages invisible for `seconds` from now; 0 gives them to the next worker at once.

        Raises `QueueError` if any could not be.
        """
        for some in _batches(deliveries):
            answer = self._sqs.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {
                        "Id": str(i),
                        "ReceiptHandle": d.receipt_handle,
                        "VisibilityTimeout": min(seconds, VISIBILITY_SECONDS_MAX),
                    }
                    for i, d in enumerate(some)
                ],
            )
            _check(answer.get("Failed", []))


def _batches(deliveries: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    for first in range(0, len(deliveries), MESSAGES_MAX):
        yield deliveries[first : first + MESSAGES_MAX]


def _check(failed: "list[BatchResultErrorEntryTypeDef]") -> None:
    # A receipt that is no longer valid belongs to a message that is gone or was received again since: nothing to do.
    trouble = [f"{entry['Code']}: {entry.get('Message', '')}" for entry in failed if not entry["SenderFault"]]
    if trouble:
        raise QueueError(f"SQS did not do all it was asked to: {'; '.join(trouble)}")


@dataclass(frozen=True)
class Depth:
    """How many messages a queue holds, by SQS's own approximate count."""

    waiting: int
    in_flight: int

    @property
    def total(self) -> int:
        """Both."""
        return self.waiting + self.in_flight


def depth(sqs: "SQSClient", url: str) -> Depth:
    """The depth of the queue at `url`."""
    attributes = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    return Depth(
        waiting=int(attributes["ApproximateNumberOfMessages"]),
        in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
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
        body=message["Body"],
        receipt_handle=message["ReceiptHandle"],
        queued_at=timestamp(sent),
        receive_count=int(attributes["ApproximateReceiveCount"]),
    )
