"""The job table: every change of a job is one conditional write, so a duplicate or a lost race changes nothing."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from jobs import names
from jobs.items import UnreadableJobError, from_item, to_item
from jobs.job import Job, JobError, Status, StoredImage, WebhookOutcome, timestamp
from jobs.measured import Measured

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# DynamoDB's own limit.
_BATCH_GET_MAX = 100
# Stays on a job that has ended or been handed back, so that a write which is repeated knows itself again.
_LEASE_TOKEN = "lease_token"  # noqa: S105 - an attribute's name


class LostLeaseError(Exception):
    """The job is no longer this worker's: another one took it over, or it was canceled or deleted."""


@dataclass(frozen=True)
class Lease:
    """A worker's claim on a running job. It must be renewed before it expires, or another worker may take the job."""

    job_id: str
    token: str


@dataclass(frozen=True)
class Cancellation:
    """A job after it was asked to be canceled. `is_end`: that ended it, because no worker had it."""

    job: Job
    is_end: bool


class JobStore:
    """Jobs in DynamoDB, one item each; nested parts are JSON text, so that an item reads well in any console."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def create(self, job: Job) -> None:
        """Write a new job. Its id is random: if it is there already, it is this write, which the SDK sent twice."""
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=to_item(job),
                ConditionExpression=f"attribute_not_exists({names.JOB_ID})",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def get(self, job_id: str) -> Job | None:
        """The job as it stands now, or None if there is none."""
        found = self._dynamodb.get_item(TableName=self._table, Key=_key(job_id), ConsistentRead=True)
        return from_item(found["Item"]) if "Item" in found else None

    def unfinished(self, job_ids: Collection[str]) -> set[str]:
        """Which of these jobs have not ended."""
        found: set[str] = set()
        keys = [_key(job_id) for job_id in sorted(job_ids)]
        for start in range(0, len(keys), _BATCH_GET_MAX):
            wanted: dict[str, Any] = {
                self._table: {
                    "Keys": keys[start : start + _BATCH_GET_MAX],
                    "ProjectionExpression": f"{names.JOB_ID}, #status",
                    "ExpressionAttributeNames": {"#status": names.STATUS},
                    "ConsistentRead": True,
                }
            }
            while wanted:
                answer = self._dynamodb.batch_get_item(RequestItems=wanted)
                for item in answer["Responses"].get(self._table, []):
                    if not Status(item[names.STATUS]["S"]).is_final:
                        found.add(item[names.JOB_ID]["S"])
                wanted = dict(answer.get("UnprocessedKeys", {}))
        return found

    def start(self, job_id: str, *, lease_seconds: float, queued_at: str, device: str) -> tuple[Job, Lease] | None:
        """queued → running, or take over a running job whose worker let its lease expire; counts an attempt.

        Returns None if the job is not to be had: ended, gone, or another worker's. A job that this version can't read
        fails, and `UnreadableJobError` is raised.
        """
        lease = Lease(job_id, uuid4().hex)
        now_seconds = time.time()
        changed = self._update(
            job_id,
            "SET #status = :running, started_at = :now, queued_at = :queued_at, device = :device, "
            "lease_token = :token, lease_expires_at = :expires, step = :zero ADD attempts :one",
            "#status = :queued OR (#status = :running AND lease_expires_at < :clock)",
            {
                ":queued": {"S": Status.QUEUED},
                ":running": {"S": Status.RUNNING},
                ":now": {"S": timestamp()},
                ":queued_at": {"S": queued_at},
                ":device": {"S": device},
                ":token": {"S": lease.token},
                ":expires": {"N": str(now_seconds + lease_seconds)},
                ":clock": {"N": str(now_seconds)},
                ":zero": {"N": "0"},
                ":one": {"N": "1"},
            },
            written=(Status.RUNNING, lease),
        )
        if changed is None:
            return None
        try:
            return from_item(changed), lease
        except UnreadableJobError as error:
            # Else it would be taken up, in vain, for ever.
            self._update(
                job_id,
                "SET #status = :failed, finished_at = :now, #error = :error REMOVE lease_expires_at",
                "#status = :running AND lease_token = :token",
                {
                    ":failed": {"S": Status.FAILED},
                    ":running": {"S": Status.RUNNING},
                    ":now": {"S": timestamp()},
                    ":error": {"S": JobError(code="unreadable", message=str(error)).model_dump_json()},
                    ":token": {"S": lease.token},
                },
                {"#error": "error"},
            )
            raise

    def renew(
        self, lease: Lease, *, lease_seconds: float, step: int, total_steps: int, preview: str | None = None
    ) -> Job:
        """Keep a running job, and note its progress. Returns it, with `cancel_requested` as it stands.

        Raises `LostLeaseError` if it is no longer this worker's.
        """
        return self._held(
            lease,
            Status.RUNNING,
            "SET lease_expires_at = :expires, step = :step, total_steps = :total_steps"
            + (", preview = :preview" if preview else ""),
            {
                ":expires": {"N": str(time.time() + lease_seconds)},
                ":step": {"N": str(step)},
                ":total_steps": {"N": str(total_steps)},
                **({":preview": {"S": preview}} if preview else {}),
            },
        )

    def succeed(self, lease: Lease, images: tuple[StoredImage, ...], measured: Measured | None = None) -> Job:
        """running → succeeded, with the pictures. Raises `LostLeaseError`."""
        text = "[" + ",".join(image.model_dump_json() for image in images) + "]"
        return self._end(lease, Status.SUCCEEDED, measured, "images", text)

    def fail(self, lease: Lease, error: JobError, measured: Measured | None = None) -> Job:
        """running → failed, with the cause. Raises `LostLeaseError`."""
        return self._end(lease, Status.FAILED, measured, "error", error.model_dump_json())

    def record_webhook(self, job_id: str, outcome: WebhookOutcome) -> None:
        """Note what came of announcing the job's end; nothing happens if the job has been deleted."""
        self._update(
            job_id,
            "SET webhook = :outcome",
            "attribute_exists(#status)",
            {":outcome": {"S": outcome.model_dump_json()}},
        )

    def hand_back(self, lease: Lease, measured: Measured | None = None, *, counts_as_attempt: bool = False) -> Job:
        """running → queued. The attempt is given back, unless the job may be what brought its worker down.

        Raises `LostLeaseError`.
        """
        sets = ["#status = :queued", *(measured.sets() if measured else ())]
        adds = ["attempts :given_back", *(measured.adds() if measured else ())]
        return self._held(
            lease,
            Status.QUEUED,
            f"SET {', '.join(sets)} ADD {', '.join(adds)} "
            "REMOVE lease_expires_at, started_at, step, total_steps, preview, device",
            {
                ":queued": {"S": Status.QUEUED},
                ":given_back": {"N": "0" if counts_as_attempt else "-1"},
                **(measured.values() if measured else {}),
            },
        )

    def cancel(self, job_id: str) -> Cancellation | None:
        """Cancel a job: at once while it is queued; a running one when its worker next renews its lease.

        Returns the job as it stands then, ended already or not, or None if there is none.
        """
        found = None
        # Twice: between one condition and the next, a worker may take the job or hand it back.
        for _ in range(2):
            ended = self._update(
                job_id,
                "SET #status = :canceled, finished_at = :now",
                "#status = :queued",
                {
                    ":queued": {"S": Status.QUEUED},
                    ":canceled": {"S": Status.CANCELED},
                    ":now": {"S": timestamp()},
                },
            )
            changed = ended or self._update(
                job_id,
                "SET cancel_requested = :true",
                "#status = :running",
                {":running": {"S": Status.RUNNING}, ":true": {"BOOL": True}},
            )
            job = from_item(changed) if changed else self.get(job_id)
            found = Cancellation(job, is_end=ended is not None) if job else None
            if changed or job is None or job.status.is_final:
                return found
        return found

    def end_canceled(self, lease: Lease, measured: Measured | None = None) -> Job:
        """running → canceled: the worker has stopped. Raises `LostLeaseError`."""
        return self._end(lease, Status.CANCELED, measured)

    def _end(
        self, lease: Lease, status: Status, measured: Measured | None, attribute: str | None = None, text: str = ""
    ) -> Job:
        sets = ["#status = :status", "finished_at = :now"]
        values: dict[str, Any] = {":status": {"S": status}, ":now": {"S": timestamp()}}
        if attribute:
            sets.append("#result = :text")
            values[":text"] = {"S": text}
        adds = ""
        if measured:
            sets += measured.sets()
            adds = f"ADD {', '.join(measured.adds())} "
            values |= measured.values()
        return self._held(
            lease,
            status,
            f"SET {', '.join(sets)} {adds}REMOVE lease_expires_at, preview",
            values,
            # `error` is a reserved word in DynamoDB's expressions, as `status` is.
            {"#result": attribute} if attribute else None,
        )

    def _held(
        self,
        lease: Lease,
        becomes: Status,
        update: str,
        values: dict[str, Any],
        attribute_names: dict[str, str] | None = None,
    ) -> Job:
        changed = self._update(
            lease.job_id,
            update,
            "#status = :running AND lease_token = :token",
            {**values, ":running": {"S": Status.RUNNING}, ":token": {"S": lease.token}},
            attribute_names,
            written=(becomes, lease),
        )
        if changed is None:
            raise LostLeaseError(f"job {lease.job_id} is no longer held by this worker")
        return from_item(changed)

    def _update(
        self,
        job_id: str,
        update: str,
        condition: str,
        values: dict[str, Any],
        attribute_names: dict[str, str] | None = None,
        *,
        written: tuple[Status, Lease] | None = None,
    ) -> dict[str, Any] | None:
        """The changed item, or None if the condition does not hold.

        An answer that gets lost makes the SDK send a write again, and then its condition no longer holds because of
        the first time. `written`, the status and lease that it leaves, tells that from a lost race.
        """
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(job_id),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#status": names.STATUS, **(attribute_names or {})},
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                item: dict[str, Any] = error.response.get("Item", {})  # type: ignore[assignment]
                return item if written is not None and _is_written(item, *written) else None
            raise
        return dict(answer["Attributes"])


def _is_written(item: dict[str, Any], status: Status, lease: Lease) -> bool:
    return bool(item) and (item[names.STATUS]["S"], item.get(_LEASE_TOKEN, {}).get("S")) == (status, lease.token)


def _key(job_id: str) -> dict[str, Any]:
    return {names.JOB_ID: {"S": job_id}}
