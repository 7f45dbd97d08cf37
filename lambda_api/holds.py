"""For clients that take one answer and can't poll: hold the request until the job has ended, and again after a 303.

No answer may take longer than API Gateway waits, so a hold that runs out sends the client to a path that holds again.
"""

import base64
import hashlib
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from jobs import names
from jobs.job import Job, Status
from lambda_api.caller import Caller
from lambda_api.generations import Generations
from lambda_api.problems import ANSWER_TOO_LARGE, JOB_CANCELED, JOB_FAILED, ROUTE_NOT_FOUND, STILL_RUNNING, ApiError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# httpx follows 20 redirects and no more.
REDIRECTS_MAX: Final = 20
# What a hold leaves of the function's time, for fetching pictures and answering.
ANSWER_SECONDS: Final = 3.0
# Lambda's answers end at 6 MB.
ANSWER_BYTES_MAX: Final = 5_900_000
_ATTACHABLE_SECONDS: Final = 3600


class Holds:
    """Waits for jobs, and knows which unanswered job a client asked for last with the same request."""

    def __init__(self, generations: Generations, dynamodb: "DynamoDBClient", table: str, hold_seconds: float) -> None:
        self._generations = generations
        self._dynamodb = dynamodb
        self._table = table
        self._hold_seconds = hold_seconds

    def made(self, job_id: str, caller: Caller, remaining_seconds: float) -> Job | None:
        """The job when its pictures are made, or None if the hold runs out before.

        Raises `ApiError` 404, or 409 or 500 if the job has ended without pictures.
        """
        job = self._generations.wait(job_id, caller, min(self._hold_seconds, remaining_seconds - ANSWER_SECONDS))
        if job.status is Status.SUCCEEDED:
            return job
        if job.error is not None:
            raise ApiError(JOB_FAILED, f"The job {job_id} failed: {job.error.message}")
        if job.status.is_final:
            raise ApiError(JOB_CANCELED, f"The job {job_id} was canceled.")
        return None

    def unanswered(self, caller: Caller, request: str) -> Job | None:
        """The job of this caller's last request of this text, if it has not been answered."""
        found = self._dynamodb.get_item(TableName=self._table, Key=_key(caller, request), ConsistentRead=True)
        item = found.get("Item")
        if item is None or int(item[names.EXPIRES_AT]["N"]) < time.time():
            return None
        try:
            return self._generations.find(item["used_for"]["S"], caller)
        except ApiError:
            return None  # Deleted since.

    def asked(self, caller: Caller, request: str, job: Job) -> None:
        """Remember which job the request is waiting for."""
        expires_at = {"N": str(int(time.time()) + _ATTACHABLE_SECONDS)}
        item: dict[str, Any] = {
            **_key(caller, request),
            "used_for": {"S": job.job_id},
            names.EXPIRES_AT: expires_at,
        }
        self._dynamodb.put_item(TableName=self._table, Item=item)

    def answered(self, caller: Caller, request: str) -> None:
        """Forget it: the same request is a new wish now."""
        self._dynamodb.delete_item(TableName=self._table, Key=_key(caller, request))


def hold_again(event: APIGatewayProxyEvent, path: str, hop: int) -> Response[str]:
    """303 to `path`/`hop`, which is to hold the client again. Raises `ApiError` 503 when no client would follow."""
    if hop > REDIRECTS_MAX:
        detail = "The job is not ready yet. Send the request again."
        raise ApiError(STILL_RUNNING, detail, headers={"Retry-After": "1"})
    # Behind a stage or a base path, our own paths begin with it.
    outside = (event.request_context.path or event.path).removesuffix(event.path)
    base, _, query = path.partition("?")
    location = f"{outside}{base}/{hop}{query and '?' + query}"
    return Response(status_code=HTTPStatus.SEE_OTHER.value, headers={"Location": location}, body="")


def hop_after(hop: str) -> int:
    """The number after that of a hold's path. Raises `ApiError` 404 if it is none of ours."""
    if not re.fullmatch(r"[0-9]{1,2}", hop):
        raise ApiError(ROUTE_NOT_FOUND, "There is no such path.")
    return int(hop) + 1


def in_base64(generations: Generations, job: Job) -> list[str]:
    """The job's pictures as base64. Raises `ApiError` 422 if one answer can't carry them."""
    if sum(image.bytes for image in job.images) * 4 / 3 > ANSWER_BYTES_MAX:
        detail = "The pictures of this job are more than one answer can carry as base64: ask for fewer, or for URLs."
        raise ApiError(ANSWER_TOO_LARGE, f"{detail} The job is {job.job_id}.")
    return [base64.b64encode(generations.image(image)).decode() for image in job.images]


def _key(caller: Caller, request: str) -> dict[str, Any]:
    digest = hashlib.sha256(f"{caller.name}\n{request}".encode()).hexdigest()
    return {names.JOB_ID: {"S": f"asked#{digest}"}}
