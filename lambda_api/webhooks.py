"""Webhooks: every job that ends is announced to the URL it came with, signed, and again until somebody has taken it.

The jobs table's own stream says which jobs have ended, so no end is missed, whoever wrote it; a queue keeps each
announcement until it is delivered or given up.
"""

import ipaddress
import json
import os
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

from jobs import names
from jobs.job import Job, WebhookOutcome, WebhookStatus, timestamp
from jobs.keys import KeyStore
from jobs.logs import SERVICE_WEBHOOKS, Event, log_event, make_logger
from jobs.store import JobStore
from lambda_api import outbound, services

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

logger = make_logger(SERVICE_WEBHOOKS)


class Webhooks:
    """Takes ended jobs from the stream to the queue, and from the queue to their receivers."""

    def __init__(
        self,
        *,
        store: JobStore,
        keys: KeyStore,
        sqs: "SQSClient",
        queue_url: str,
        retry_seconds: tuple[int, ...],
        test_network: ipaddress.IPv4Network | None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._sqs = sqs
        self._queue_url = queue_url
        self._retry_seconds = retry_seconds
        self._test_network = test_network

    def queue(self, record: dict[str, Any]) -> None:
        """Queue the announcement of a job that ended, from its record in the table's stream."""
        job_id = record["dynamodb"]["Keys"][names.JOB_ID]["S"]
        self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps({names.JOB_ID: job_id}))
        log_event(logger, Event.WEBHOOK_QUEUED, "Queued the webhook of a job that has ended", job_id=job_id)

    def deliver(self, message: dict[str, Any]) -> bool:
        """Try once, and note the outcome on the job. False if there is to be another attempt."""
        job = self._store.get(json.loads(message["body"])[names.JOB_ID])
        if job is None or job.webhook_url is None:
            return True  # Deleted since.
        if job.webhook is not None and job.webhook.status is not WebhookStatus.PENDING:
            return True  # SQS and the stream may each deliver twice.
        attempts = int(message["attributes"]["ApproximateReceiveCount"])
        status, detail = self._attempt(job, job.webhook_url)
        if status is WebhookStatus.PENDING and attempts > len(self._retry_seconds):
            status, detail = WebhookStatus.FAILED, f"{detail}; given up"
        self._store.record_webhook(
            job.job_id,
            WebhookOutcome(status=status, attempts=attempts, last_attempt_at=timestamp(), detail=detail),
        )
        is_sent = status is WebhookStatus.DELIVERED
        log_event(
            logger,
            Event.WEBHOOK_SENT if is_sent else Event.WEBHOOK_NOT_SENT,
            f"Webhook attempt {attempts}: {detail}",
            warning=not is_sent,
            attempts=attempts,
            webhook_status=str(status),
            job_id=job.job_id,
            correlation_id=job.correlation_id,
            caller=job.owner,
        )
        if status is WebhookStatus.PENDING:
            self._sqs.change_message_visibility(
                QueueUrl=self._queue_url,
                ReceiptHandle=message["receiptHandle"],
                VisibilityTimeout=self._retry_seconds[attempts - 1],
            )
        return status is not WebhookStatus.PENDING

    def _attempt(self, job: Job, url: str) -> tuple[WebhookStatus, str]:
        secret = self._keys.webhook_secret(job.owner)
        if secret is None:
            return WebhookStatus.FAILED, "the job's key is gone, and with it the secret to sign with"
        body = json.dumps(payload(job))
        # One id for all attempts: a receiver knows by it what it has taken already.
        message_id, now = f"msg_{job.job_id}", datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "gameforge-webhooks",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, now, body),
        }
        try:
            code = outbound.post(url, body.encode(), headers, test_network=self._test_network)
        except outbound.RefusedError as error:
            return WebhookStatus.FAILED, str(error)
        except outbound.UnreachableError as error:
            return WebhookStatus.PENDING, str(error)
        answer = f"the receiver answered {code}"
        if 200 <= code < 300:
            return WebhookStatus.DELIVERED, answer
        # 410 is how a receiver says that it wants no more.
        return (WebhookStatus.FAILED if code == HTTPStatus.GONE else WebhookStatus.PENDING), answer


def payload(job: Job) -> dict[str, Any]:
    """What a receiver is told. No picture, and no URL that works without a key: it goes to wherever a client said."""
    return {
        "type": f"generation.{job.status}",
        "timestamp": job.finished_at,
        "data": {
            "id": job.job_id,
            "status": job.status,
            "images": [image.model_dump(exclude={"key"}) for image in job.images],
            "error": job.error.model_dump() if job.error else None,
            "created_at": job.created_at,
            "finished_at": job.finished_at,
            "correlation_id": job.correlation_id,
        },
    }


@cache
def _webhooks() -> Webhooks:
    environment = os.environ
    network = environment.get(names.ENV_WEBHOOK_TEST_NETWORK)
    return Webhooks(
        store=JobStore(services.dynamodb(), environment[names.ENV_JOBS_TABLE]),
        keys=KeyStore(services.dynamodb(), environment[names.ENV_KEYS_TABLE]),
        sqs=services.sqs(),
        queue_url=environment[names.ENV_WEBHOOK_QUEUE_URL],
        retry_seconds=tuple(map(int, environment[names.ENV_WEBHOOK_RETRY_SECONDS].split(","))),
        test_network=ipaddress.IPv4Network(network) if network else None,
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What Lambda calls, for records of the stream and for messages of the queue. Names the messages to keep."""
    kept = []
    for record in event["Records"]:
        if record["eventSource"] == "aws:dynamodb":
            _webhooks().queue(record)
        elif not _webhooks().deliver(record):
            kept.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": kept}
