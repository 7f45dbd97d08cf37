"""What each key has used, counted in DynamoDB so that all instances share one count; beyond its limits, 429."""

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobs import names
from jobs.store import JobStore
from lambda_api.caller import Caller
from lambda_api.problems import (
    JOB_TOO_LARGE,
    PIXEL_STEPS_LIMIT,
    REQUEST_LIMIT,
    UNFINISHED_JOBS_LIMIT,
    ApiError,
    ProblemType,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

USED: Final = "used"
JOB_IDS: Final = "job_ids"

# An instance takes requests from a key's minute in blocks of this part of the limit, and serves them without asking
# again. The limit is never exceeded; with several instances, a little of it may stay unused.
BLOCKS_PER_MINUTE: Final = 60
UNFINISHED_RETRY_AFTER_SECONDS: Final = 10
_COUNTERS_KEPT = timedelta(days=2)


class Usage:
    """Counts requests, pixel-steps and unfinished jobs of each key, and refuses what is over its limits."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, store: JobStore) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._store = store
        # By key name: the minute, and the requests left of the block that this instance took from it.
        self._blocks: dict[str, tuple[int, int]] = {}

    def count_request(self, caller: Caller) -> None:
        """Count one request of this key. Raises `ApiError` 429 until the next minute."""
        name, limit = caller.name, caller.limits.requests_per_minute
        now = time.time()
        minute = int(now // 60)
        taken_minute, left = self._blocks.get(name, (0, 0))
        if taken_minute != minute or left == 0:
            left = self._take_block(name, minute, limit)
        if left == 0:
            raise _exceeded(REQUEST_LIMIT, f"{limit} requests a minute", 60 - int(now % 60))
        self._blocks[name] = (minute, left - 1)

    def reserve(self, caller: Caller, job_id: str, pixel_steps: int) -> None:
        """Count a job that is about to be accepted. Raises `ApiError` 429, or 422 for what no day has room for."""
        name, limits = caller.name, caller.limits
        if pixel_steps > limits.pixel_steps_per_day:
            raise ApiError(
                JOB_TOO_LARGE,
                f"This job needs {pixel_steps:,} pixel-steps (width x height x steps x images); "
                f"the key may use {limits.pixel_steps_per_day:,} a day.",
            )
        added = self._add_unfinished(name, limits.unfinished_jobs, job_id)
        if not added and self._forget_ended(name):
            added = self._add_unfinished(name, limits.unfinished_jobs, job_id)
        if not added:
            text = f"{limits.unfinished_jobs} unfinished jobs"
            raise _exceeded(UNFINISHED_JOBS_LIMIT, text, UNFINISHED_RETRY_AFTER_SECONDS)
        if not self._add(_day_id(name), pixel_steps, limits.pixel_steps_per_day):
            self._drop(name, {job_id})
            text = f"{limits.pixel_steps_per_day:,} pixel-steps a day"
            raise _exceeded(PIXEL_STEPS_LIMIT, text, _seconds_to_midnight())

    def release(self, caller: Caller, job_id: str, pixel_steps: int) -> None:
        """Take back a reservation, because the job was not accepted after all."""
        self._change(_day_id(caller.name), f"ADD {USED} :minus", {":minus": {"N": str(-pixel_steps)}})
        self._drop(caller.name, {job_id})

    def _take_block(self, name: str, minute: int, limit: int) -> int:
        """How many requests were taken from the shared count: a block, or what is left, or 0."""
        sizes = (max(1, limit // BLOCKS_PER_MINUTE), 1)
        return next((size for size in sizes if self._add(f"requests#{name}#{minute}", size, limit)), 0)

    def _add_unfinished(self, name: str, limit: int, job_id: str) -> bool:
        """Add to the set of unfinished jobs, unless it is full. A set, so that nothing counts twice."""
        return self._change(
            _unfinished_id(name),
            f"ADD {JOB_IDS} :job",
            {":job": {"SS": [job_id]}, ":max": {"N": str(limit)}},
            f"attribute_not_exists({JOB_IDS}) OR size({JOB_IDS}) < :max",
        )

    def _forget_ended(self, name: str) -> bool:
        """Take jobs that have ended off the unfinished ones; done only when the set is full. Whether there were any."""
        key = {names.USAGE_ID: {"S": _unfinished_id(name)}}
        item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        listed = set(item.get(JOB_IDS, {}).get("SS", []))
        # A job that is being written at this moment may be forgotten too: then the limit bends, and no job is lost.
        ended = listed - self._store.unfinished(listed)
        if ended:
            self._drop(name, ended)
        return bool(ended)

    def _drop(self, name: str, job_ids: set[str]) -> None:
        self._change(_unfinished_id(name), f"DELETE {JOB_IDS} :jobs", {":jobs": {"SS": sorted(job_ids)}})

    def _add(self, usage_id: str, amount: int, limit: int) -> bool:
        """Add to a counter of this minute or day, unless that would take it over the limit; later it expires."""
        values = {
            ":amount": {"N": str(amount)},
            ":room": {"N": str(limit - amount)},
            ":expires": {"N": str(int((datetime.now(UTC) + _COUNTERS_KEPT).timestamp()))},
        }
        update = f"ADD {USED} :amount SET {names.EXPIRES_AT} = :expires"
        return self._change(usage_id, update, values, f"attribute_not_exists({USED}) OR {USED} <= :room")

    def _change(self, usage_id: str, update: str, values: dict[str, Any], condition: str | None = None) -> bool:
        """One write. False if its condition does not hold."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={names.USAGE_ID: {"S": usage_id}},
                UpdateExpression=update,
                ExpressionAttributeValues=values,
                **({"ConditionExpression": condition} if condition else {}),  # type: ignore[arg-type]
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _day_id(name: str) -> str:
    return f"pixel-steps#{name}#{datetime.now(UTC):%Y-%m-%d}"


def _unfinished_id(name: str) -> str:
    return f"unfinished#{name}"


def _seconds_to_midnight() -> int:
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((midnight - now).total_seconds()) + 1


def _exceeded(problem_type: ProblemType, limit: str, retry_after_seconds: int) -> ApiError:
    return ApiError(
        problem_type,
        f"The key's limit is reached: {limit}. Try again in {retry_after_seconds} s.",
        headers={"Retry-After": str(retry_after_seconds)},
    )
