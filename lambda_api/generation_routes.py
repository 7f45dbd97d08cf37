"""Routes of the jobs: /v1/generations."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated, Final

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, ConfigDict, Field

from jobs.job import Job, Status
from jobs.request import GenerationRequest
from lambda_api import problems as p
from lambda_api import services
from lambda_api.incoming import (
    IDEMPOTENCY_KEY_CHARACTERS_MAX,
    read_body,
    read_idempotency_key,
    read_query,
    read_wait_seconds,
)
from lambda_api.operations import Answer, Header, Operations, json_answer
from lambda_api.problems import ApiError, Headers
from lambda_api.settings import WAIT_SECONDS_MAX
from lambda_api.views import JobListView, JobView

PATH: Final = "/v1/generations"
# What a wait leaves for the answer, of the function's time.
ANSWER_SECONDS: Final = 2.0

operations = Operations()

_PREFER: Final = Header(
    "Prefer",
    f"`wait=N` holds the answer until the job has ended, N seconds long at most, {WAIT_SECONDS_MAX} at the very most.",
    {"type": "string", "examples": ["wait=2"]},
)
_IDEMPOTENCY_KEY: Final = Header(
    "Idempotency-Key",
    "Makes it safe to send the request again: for 24 h, the same key and request give the same job.",
    {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARACTERS_MAX, "pattern": "^[!-~]+$"},
)
_LOCATION: Final = Header("Location", "The job's path.", {"type": "string"})
_RETRY_AFTER: Final = Header(
    "Retry-After", "Seconds after which to ask again.", {"type": "string", "pattern": "^\\d+$"}
)
_PREFERENCE_APPLIED: Final = Header(
    "Preference-Applied", "The wait that was granted, if one was asked for.", {"type": "string"}
)
_JOB_ID: Final = {"job_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}
_COMMON: Final = (p.REQUEST_LIMIT, p.UNAVAILABLE, p.INTERNAL)


class ListQuery(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[Status | None, Field(description="Only jobs in this status.")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="Jobs on a page.")] = 20
    cursor: Annotated[
        str | None, Field(min_length=1, max_length=512, description="`next_cursor` of the page before.")
    ] = None


@operations.route(
    HTTPMethod.POST,
    PATH,
    body=GenerationRequest,
    headers=(_PREFER, _IDEMPOTENCY_KEY),
    answers={
        HTTPStatus.OK: Answer(
            "The job has ended within the wait, or it is a repeat of one that has.",
            JobView,
            headers=(_LOCATION, _PREFERENCE_APPLIED),
        ),
        HTTPStatus.ACCEPTED: Answer(
            "The job is written and will be made.",
            JobView,
            headers=(_LOCATION, _RETRY_AFTER, _PREFERENCE_APPLIED),
        ),
    },
    problems=(
        *(p.INVALID_JSON, p.INVALID_HEADER, p.KEY_IN_USE, p.KEY_SPENT, p.BODY_TOO_LARGE, p.MEDIA_TYPE),
        *(p.INVALID_REQUEST, p.JOB_TOO_LARGE, p.KEY_REUSED, p.UNFINISHED_JOBS_LIMIT, p.PIXEL_STEPS_LIMIT, *_COMMON),
    ),
)
def create_generation() -> Response[str]:
    """Order pictures."""
    event = operations.event
    job = services.orders().accept(
        read_body(event, GenerationRequest),
        operations.caller,
        event.request_context.request_id,
        read_idempotency_key(event),
    )
    location = f"{(event.request_context.path or event.path).rstrip('/')}/{job.job_id}"
    return _waited(job, HTTPStatus.ACCEPTED, {"Location": location})


@operations.route(
    HTTPMethod.GET,
    PATH,
    query=ListQuery,
    answers={HTTPStatus.OK: Answer("A page of this key's jobs, newest first.", JobListView)},
    problems=(p.INVALID_REQUEST, *_COMMON),
)
def list_generations() -> Response[str]:
    """List jobs."""
    query = read_query(operations.event, ListQuery)
    return json_answer(
        services.generations().list(operations.caller, status=query.status, limit=query.limit, cursor=query.cursor)
    )


@operations.route(
    HTTPMethod.GET,
    PATH + "/{job_id}",
    path_schemas=_JOB_ID,
    headers=(_PREFER,),
    answers={HTTPStatus.OK: Answer("The job.", JobView, headers=(_RETRY_AFTER, _PREFERENCE_APPLIED))},
    problems=(p.JOB_NOT_FOUND, *_COMMON),
)
def get_generation(job_id: str) -> Response[str]:
    """Show a job."""
    return _waited(services.generations().find(job_id, operations.caller), HTTPStatus.OK, {})


@operations.route(
    HTTPMethod.DELETE,
    PATH + "/{job_id}",
    path_schemas=_JOB_ID,
    answers={HTTPStatus.NO_CONTENT: Answer("The job and its pictures are gone.", media_type=None)},
    problems=(p.JOB_NOT_FOUND, p.JOB_RUNNING, *_COMMON),
)
def delete_generation(job_id: str) -> Response[str]:
    """Delete a job and its pictures."""
    services.generations().delete(job_id, operations.caller)
    return Response(status_code=HTTPStatus.NO_CONTENT.value, body="")


@operations.route(
    HTTPMethod.POST,
    PATH + "/{job_id}/cancel",
    path_schemas=_JOB_ID,
    answers={
        HTTPStatus.OK: Answer("The job is canceled.", JobView),
        HTTPStatus.ACCEPTED: Answer("The job's worker will stop at its next step.", JobView, headers=(_RETRY_AFTER,)),
    },
    problems=(p.JOB_NOT_FOUND, p.JOB_ENDED, *_COMMON),
)
def cancel_generation(job_id: str) -> Response[str]:
    """Cancel a job."""
    return _job(services.generations().cancel(job_id, operations.caller), HTTPStatus.ACCEPTED, {})


@operations.route(
    HTTPMethod.GET,
    PATH + "/{job_id}/images/{index}",
    path_schemas={**_JOB_ID, "index": {"type": "integer", "minimum": 0, "description": "Counted from 0."}},
    answers={
        HTTPStatus.FOUND: Answer(
            "The picture is there, without a key, for an hour.", media_type=None, headers=(_LOCATION,)
        )
    },
    problems=(p.JOB_NOT_FOUND, p.IMAGE_NOT_FOUND, *_COMMON),
)
def get_image(job_id: str, index: str) -> Response[str]:
    """Fetch a picture."""
    jobs = services.generations()
    job = jobs.find(job_id, operations.caller)
    if not index.isascii() or not index.isdigit():
        raise ApiError(p.IMAGE_NOT_FOUND, "Pictures are numbered from 0.")
    return Response(
        status_code=HTTPStatus.FOUND.value, headers={"Location": jobs.image_url(job, int(index[:9]))}, body=""
    )


def _waited(job: Job, unfinished: HTTPStatus, headers: Headers) -> Response[str]:
    """The answer about a job, after the wait that the client prefers."""
    wait_seconds = read_wait_seconds(operations.event)
    if wait_seconds is not None:
        headers = {**headers, "Preference-Applied": f"wait={wait_seconds}"}
        if not job.status.is_final:
            granted = min(wait_seconds, operations.remaining_seconds - ANSWER_SECONDS)
            job = services.generations().wait(job.job_id, operations.caller, granted)
    return _job(job, unfinished, headers)


def _job(job: Job, unfinished: HTTPStatus, headers: Headers) -> Response[str]:
    """The job, with status 200 if it has ended and `unfinished` if not."""
    jobs = services.generations()
    if job.status.is_final:
        return json_answer(jobs.view(job), HTTPStatus.OK, headers)
    headers = {**headers, "Retry-After": str(jobs.retry_after_seconds(job))}
    return json_answer(jobs.view(job), unfinished, headers)
