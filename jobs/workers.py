"""Which workers are alive: each one writes itself into the jobs table now and then, and is forgotten when it stops."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from jobs import names
from jobs.job import timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ANNOUNCE_SECONDS: Final = 20.0
# Two announcements may get lost before a worker counts as gone.
LIVE_SECONDS: Final = 3 * ANNOUNCE_SECONDS
# Stands in the attribute that the index of jobs by status is made of, where no job can have it.
_STATUS: Final = "worker"


class WorkerRecord(BaseModel):
    """A worker that was alive at `seen_at`."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    device: str
    seen_at: str


class Workers:
    """The register of workers, in the jobs table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def announce(self, worker_id: str, *, device: str) -> None:
        """Say that a worker is alive now."""
        self._dynamodb.update_item(
            TableName=self._table,
            Key={names.JOB_ID: {"S": f"worker#{worker_id}"}},
            UpdateExpression=f"SET #status = :status, {names.CREATED_AT} = :now, {names.EXPIRES_AT} = :expires, "
            "device = :device",
            ExpressionAttributeNames={"#status": names.STATUS},
            ExpressionAttributeValues={
                ":status": {"S": _STATUS},
                ":now": {"S": timestamp()},
                ":expires": {"N": str(int(time.time() + LIVE_SECONDS))},
                ":device": {"S": device},
            },
        )

    def withdraw(self, worker_id: str) -> None:
        """Say that a worker stops now."""
        self._dynamodb.update_item(
            TableName=self._table,
            Key={names.JOB_ID: {"S": f"worker#{worker_id}"}},
            UpdateExpression="REMOVE #status",
            ExpressionAttributeNames={"#status": names.STATUS},
        )

    def live(self) -> list[WorkerRecord]:
        """The workers that announced themselves lately."""
        since = time.time() - LIVE_SECONDS
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=names.STATUS_INDEX,
            KeyConditionExpression=f"#status = :status AND {names.CREATED_AT} > :since",
            ExpressionAttributeNames={"#status": names.STATUS},
            ExpressionAttributeValues={
                ":status": {"S": _STATUS},
                ":since": {"S": timestamp(datetime.fromtimestamp(since, UTC))},
            },
        )
        return [
            WorkerRecord(
                worker_id=item[names.JOB_ID]["S"].removeprefix("worker#"),
                device=item["device"]["S"],
                seen_at=item[names.CREATED_AT]["S"],
            )
            for page in pages
            for item in page["Items"]
        ]
