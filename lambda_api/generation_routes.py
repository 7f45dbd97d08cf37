"""Routes of the jobs: /v1/generations."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from pydantic import BaseModel, ConfigDict, Field

from jobs.job import Job, Status
from jobs.request import GenerationRequest
from lambda_api import problems as p
from lambda_api import services
from lambda_api.caller import Caller, caller
from lambda_api.incoming import (
    IDEMPOTENCY_KEY_CHARACTERS_MAX,
    read_body,
    read_idempotency_key,
    read_query,
    read_wait_seconds,
)
from lambda_api.operations import Answer, Header, Operations
from lambda_api.problems import ApiError, Headers
from lambda_api.settings import WAIT_SECONDS_MAX
from lambda_api.views import JobListView, JobView

PATH: Final = "/v1/generations"
JSON: Final = "application/json"
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
        HTTPStatus.OK: Answer("The job has ended within the wait.", JobView, headers=(_LOCATION, _PREFERENCE_APPLIED)),
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
    event = _event()
    job = services.generations().accept(
        read_body(event, GenerationRequest),
        _caller(),
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
    query = read_query(_event(), ListQuery)
    page = services.generations().list(_caller(), status=query.status, limit=query.limit, cursor=query.cursor)
    return _json(HTTPStatus.OK, page)


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
    return _waited(services.generations().find(job_id, _caller()), HTTPStatus.OK, {})


@operations.route(
    HTTPMethod.DELETE,
    PATH + "/{job_id}",
    path_schemas=_JOB_ID,
    answers={HTTPStatus.NO_CONTENT: Answer("The job and its pictures are gone.", media_type=None)},
    problems=(p.JOB_NOT_FOUND, p.JOB_RUNNING, *_COMMON),
)
def delete_generation(job_id: str) -> Response[str]:
    """Delete a job and its pictures."""
    services.generations().delete(job_id, _caller())
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
    job = services.generations().cancel(job_id, _caller())
    return _job(job, HTTPStatus.OK if job.status.is_final else HTTPStatus.ACCEPTED, {})


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
    job = jobs.find(job_id, _caller())
    if not index.isascii() or not index.isdigit():
        raise ApiError(p.IMAGE_NOT_FOUND, "Pictures are numbered from 0.")
    return Response(
        status_code=HTTPStatus.FOUND.value, headers={"Location": jobs.image_url(job, int(index[:9]))}, body=""
    )


def _event() -> APIGatewayProxyEvent:
    event: APIGatewayProxyEvent = operations.router.current_event
    return event


def _caller() -> Caller:
    return caller(_event())


def _waited(job: Job, status: HTTPStatus, headers: Headers) -> Response[str]:
    """The answer about a job, after the wait that the client prefers."""
    wait_seconds = read_wait_seconds(_event())
    if wait_seconds is None:
        return _job(job, status, headers)
    left: float = operations.router.lambda_context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS
    if not job.status.is_final:
        job = services.generations().wait(job.job_id, _caller(), min(wait_seconds, left))
    return _job(
        job,
        HTTPStatus.OK if job.status.is_final else status,
        {**headers, "Preference-Applied": f"wait={wait_seconds}"},
    )


def _job(job: Job, status: HTTPStatus, headers: Headers) -> Response[str]:
    jobs = services.generations()
    if not job.status.is_final:
        headers = {**headers, "Retry-After": str(jobs.retry_after_seconds(job))}
    return _json(status, jobs.view(job), headers)


def _json(status: HTTPStatus, body: BaseModel, headers: Any = None) -> Response[str]:
    return Response(status_code=status.value, content_type=JSON, headers=headers, body=body.model_dump_json())
