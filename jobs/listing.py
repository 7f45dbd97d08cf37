"""Reading many jobs: one owner's, newest first; and what is in front of a waiting one."""

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json

from jobs import names
from jobs.items import from_item
from jobs.job import Job, Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# DynamoDB filters after reading: a page of few matches costs this many reads of `PAGE_ITEMS` items and then ends early.
_READS_MAX: Final = 8
PAGE_ITEMS: Final = 100


class CursorError(ValueError):
    """The cursor is not one that a page of jobs came with."""


@dataclass(frozen=True)
class Page:
    """Some jobs, newest first, and the cursor of those that follow; None after the last one."""

    jobs: list[Job]
    cursor: str | None


class Listing:
    """Queries over the jobs table's indexes. An index lags its table by moments."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def owned(self, owner: str, *, status: Status | None, limit: int, cursor: str | None) -> Page:
        """Up to `limit` jobs of one owner, newest first. Raises `CursorError`."""
        start = _start_key(owner, cursor) if cursor else None
        jobs: list[Job] = []
        for _ in range(_READS_MAX):
            query: dict[str, Any] = {
                "TableName": self._table,
                "IndexName": names.OWNER_INDEX,
                "KeyConditionExpression": "#owner = :owner",
                "ExpressionAttributeNames": {"#owner": names.OWNER},
                "ExpressionAttributeValues": {":owner": {"S": owner}},
                "ScanIndexForward": False,
                "Limit": PAGE_ITEMS if status else limit - len(jobs),
            }
            if status:
                query["FilterExpression"] = "#status = :status"
                query["ExpressionAttributeNames"]["#status"] = names.STATUS
                query["ExpressionAttributeValues"][":status"] = {"S": status}
            if start:
                query["ExclusiveStartKey"] = start
            answer = self._dynamodb.query(**query)
            found = [from_item(item) for item in answer["Items"]]
            room = limit - len(jobs)
            jobs += found[:room]
            start = answer.get("LastEvaluatedKey")
            if len(found) > room:
                start = _index_key(jobs[-1])
            if start is None or len(jobs) == limit:
                break
        return Page(jobs, _cursor(start) if start else None)

    def oldest(self, status: Status, *, limit: int) -> list[Job]:
        """The jobs that have been in a status and were accepted first, up to `limit`."""
        return self._by_status(status, limit, oldest_first=True)

    def newest(self, status: Status, *, limit: int) -> list[Job]:
        """The jobs in a status that were accepted last, up to `limit`."""
        return self._by_status(status, limit, oldest_first=False)

    def _by_status(self, status: Status, limit: int, *, oldest_first: bool) -> list[Job]:
        answer = self._dynamodb.query(
            TableName=self._table,
            IndexName=names.STATUS_INDEX,
            KeyConditionExpression="#status = :status",
            ExpressionAttributeNames={"#status": names.STATUS},
            ExpressionAttributeValues={":status": {"S": status}},
            ScanIndexForward=oldest_first,
            Limit=limit,
        )
        return [from_item(item) for item in answer["Items"]]


def _index_key(job: Job) -> dict[str, Any]:
    return {
        names.JOB_ID: {"S": job.job_id},
        names.OWNER: {"S": job.owner},
        names.CREATED_AT: {"S": job.created_at},
    }


def _cursor(start: dict[str, Any]) -> str:
    place = [start[names.CREATED_AT]["S"], start[names.JOB_ID]["S"]]
    return base64.urlsafe_b64encode(to_json(place)).decode().rstrip("=")


def _start_key(owner: str, cursor: str) -> dict[str, Any]:
    # The owner is the caller's, whatever the cursor came from: nobody pages into another one's jobs.
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        created_at, job_id = from_json(text)
    except (ValueError, TypeError, binascii.Error):
        raise CursorError(cursor) from None
    if not (isinstance(created_at, str) and isinstance(job_id, str) and created_at and job_id):
        raise CursorError(cursor)
    return {names.JOB_ID: {"S": job_id}, names.OWNER: {"S": owner}, names.CREATED_AT: {"S": created_at}}
