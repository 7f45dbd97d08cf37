"""Accepting jobs: written first, queued second, and marked as queued, so that what falls between can be found again."""

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from jobs import names
from jobs.items import from_item, to_item
from jobs.job import Job, Status, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

IDEMPOTENCY_KEY_LIFETIME_SECONDS: Final = 24 * 3600
_QUEUED_AT: Final = "queued_at"
_LEASE_EXPIRES_AT: Final = "lease_expires_at"


class KeyInUseError(Exception):
    """Another request with this idempotency key is being accepted at this moment."""


@dataclass(frozen=True)
class Use:
    """What an idempotency key was used for."""

    job_id: str
    body_hash: str


class Intake:
    """The writes between a request and its place on the queue. Keys share the jobs table; no index shows them."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def create_once(self, job: Job, idempotency_key: str, body_hash: str) -> Use | None:
        """Write a new job together with its owner's key, both or neither, unless the key was used before.

        Returns None if the job was written, else what the key was used for. Raises `KeyInUseError`.
        """
        key = _key(job.owner, idempotency_key)
        now_seconds = int(time.time())
        item: dict[str, Any] = {
            **key,
            "used_for": {"S": job.job_id},
            "body_hash": {"S": body_hash},
            names.EXPIRES_AT: {"N": str(now_seconds + IDEMPOTENCY_KEY_LIFETIME_SECONDS)},
        }
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[
                    {
                        "Put": {
                            "TableName": self._table,
                            "Item": item,
                            # DynamoDB deletes what has expired when it finds the time, days later if need be.
                            "ConditionExpression": f"attribute_not_exists({names.JOB_ID}) OR {names.EXPIRES_AT} < :now",
                            "ExpressionAttributeValues": {":now": {"N": str(now_seconds)}},
                        }
                    },
                    {"Put": {"TableName": self._table, "Item": to_item(job)}},
                ]
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            use = self.use(job.owner, idempotency_key)
            if use is None:
                raise KeyInUseError from None
            # The SDK sends a write again whose answer got lost; then the key is already ours.
            return None if use.job_id == job.job_id else use
        return None

    def mark_queued(self, job_id: str) -> None:
        """Note that the job's message is on the queue, unless a worker has the job already."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={names.JOB_ID: {"S": job_id}},
                UpdateExpression=f"SET {_QUEUED_AT} = :now",
                ConditionExpression=f"#status = :queued AND attribute_not_exists({_QUEUED_AT})",
                ExpressionAttributeNames={"#status": names.STATUS},
                ExpressionAttributeValues={":now": {"S": timestamp()}, ":queued": {"S": Status.QUEUED}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def note_silence(self, job_id: str) -> None:
        """Let the silence of a running job's worker begin anew, so that `abandoned` does not find it at once again."""
        now = {"N": str(time.time())}
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={names.JOB_ID: {"S": job_id}},
                UpdateExpression=f"SET {_LEASE_EXPIRES_AT} = :now",
                ConditionExpression=f"#status = :running AND {_LEASE_EXPIRES_AT} < :now",
                ExpressionAttributeNames={"#status": names.STATUS},
                ExpressionAttributeValues={":now": now, ":running": {"S": Status.RUNNING}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def delete(self, job_id: str) -> None:
        """Remove a job that has ended."""
        self._dynamodb.delete_item(TableName=self._table, Key={names.JOB_ID: {"S": job_id}})

    def not_queued(self, *, created_before: str) -> list[Job]:
        """Jobs that were written before a time and never got onto the queue."""
        return self._find(Status.QUEUED, created_before, f"attribute_not_exists({_QUEUED_AT})", {})

    def waiting(self, *, created_before: str) -> list[Job]:
        """All jobs that were written before a time and wait for a worker."""
        return self._find(Status.QUEUED, created_before, None, {})

    def abandoned(self, *, silent_seconds: float) -> list[Job]:
        """Running jobs whose worker let its lease expire so long ago that their message must be lost."""
        limit = {":limit": {"N": str(time.time() - silent_seconds)}}
        return self._find(Status.RUNNING, timestamp(), f"{_LEASE_EXPIRES_AT} < :limit", limit)

    def _find(self, status: Status, created_before: str, condition: str | None, values: dict[str, Any]) -> list[Job]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": names.STATUS_INDEX,
            "KeyConditionExpression": f"#status = :status AND {names.CREATED_AT} < :before",
            "ExpressionAttributeNames": {"#status": names.STATUS},
            "ExpressionAttributeValues": {":status": {"S": status}, ":before": {"S": created_before}, **values},
        }
        if condition:
            query["FilterExpression"] = condition
        pages = self._dynamodb.get_paginator("query").paginate(**query)
        return [from_item(item) for page in pages for item in page["Items"]]

    def use(self, owner: str, idempotency_key: str) -> Use | None:
        """What the owner used this key for, if anything."""
        key = _key(owner, idempotency_key)
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if found is None or int(found[names.EXPIRES_AT]["N"]) < time.time():
            return None
        return Use(found["used_for"]["S"], found["body_hash"]["S"])


def _key(owner: str, idempotency_key: str) -> dict[str, Any]:
    # Hashed: a key is the client's business, and may hold anything.
    digest = hashlib.sha256(f"{owner}\n{idempotency_key}".encode()).hexdigest()
    return {names.JOB_ID: {"S": f"idempotency#{digest}"}}
