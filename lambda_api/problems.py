"""Errors as clients see them: problem+json (RFC 9457) with a stable type, and nothing about our insides."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel

from jobs import names

Headers = dict[str, str | list[str]]
# Enough to see what is wrong, and no more than that of what a client may have sent.
FIELD_ERRORS_MAX: Final = 20
FIELD_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True)
class ProblemType:
    """A kind of error. `code` is stable: it is the end of the problem's type. `meaning` is for the documentation."""

    code: str
    status: HTTPStatus
    meaning: str


INVALID_JSON: Final = ProblemType("invalid-json", HTTPStatus.BAD_REQUEST, "The body is not valid JSON.")
INVALID_HEADER: Final = ProblemType("invalid-header", HTTPStatus.BAD_REQUEST, "A header's value is not valid.")
INVALID_REQUEST: Final = ProblemType(
    "invalid-request", HTTPStatus.UNPROCESSABLE_ENTITY, "A field is wrong; `errors` names it and says what is right."
)
JOB_TOO_LARGE: Final = ProblemType(
    "job-too-large", HTTPStatus.UNPROCESSABLE_ENTITY, "Width × height × steps × images is over the limit."
)
KEY_REUSED: Final = ProblemType(
    "idempotency-key-reused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This Idempotency-Key came with another request before.",
)
KEY_IN_USE: Final = ProblemType(
    "idempotency-key-in-use", HTTPStatus.CONFLICT, "A request with this Idempotency-Key is being accepted right now."
)
KEY_SPENT: Final = ProblemType(
    "idempotency-key-spent", HTTPStatus.CONFLICT, "The job that this Idempotency-Key made has been deleted."
)
JOB_NOT_FOUND: Final = ProblemType(
    "job-not-found", HTTPStatus.NOT_FOUND, "There is no such job, it has expired, or another key made it."
)
IMAGE_NOT_FOUND: Final = ProblemType("image-not-found", HTTPStatus.NOT_FOUND, "The job has no picture of this number.")
JOB_ENDED: Final = ProblemType("job-ended", HTTPStatus.CONFLICT, "The job has ended, so it cannot be canceled.")
JOB_RUNNING: Final = ProblemType(
    "job-running", HTTPStatus.CONFLICT, "The job is running, so it cannot be deleted: cancel it first."
)
ROUTE_NOT_FOUND: Final = ProblemType("route-not-found", HTTPStatus.NOT_FOUND, "There is no such path.")
METHOD_NOT_ALLOWED: Final = ProblemType(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "The path does not know this method; `Allow` says which it does.",
)
BODY_TOO_LARGE: Final = ProblemType("body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too long.")
MEDIA_TYPE: Final = ProblemType(
    "unsupported-media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not declared as application/json."
)
REQUEST_LIMIT: Final = ProblemType(
    "request-limit", HTTPStatus.TOO_MANY_REQUESTS, "The key has made its requests of this minute."
)
UNFINISHED_JOBS_LIMIT: Final = ProblemType(
    "unfinished-jobs-limit", HTTPStatus.TOO_MANY_REQUESTS, "The key has as many unfinished jobs as it may have."
)
PIXEL_STEPS_LIMIT: Final = ProblemType(
    "pixel-steps-limit", HTTPStatus.TOO_MANY_REQUESTS, "The key has used its pixel-steps of this day (UTC)."
)
STILL_RUNNING: Final = ProblemType(
    "still-running", HTTPStatus.SERVICE_UNAVAILABLE, "The job is not ready yet; the same request finds it again."
)
ANSWER_TOO_LARGE: Final = ProblemType(
    "answer-too-large", HTTPStatus.UNPROCESSABLE_ENTITY, "One answer can't carry so many pictures as base64."
)
MODEL_NOT_FOUND: Final = ProblemType("model-not-found", HTTPStatus.NOT_FOUND, "There is no model of this name.")
JOB_FAILED: Final = ProblemType("job-failed", HTTPStatus.INTERNAL_SERVER_ERROR, "The job failed; the text says why.")
JOB_CANCELED: Final = ProblemType("job-canceled", HTTPStatus.CONFLICT, "The job was canceled.")
UNAVAILABLE: Final = ProblemType(
    "temporarily-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "A service behind the API did not answer; try again."
)
INTERNAL: Final = ProblemType("internal-error", HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke on our side.")


class FieldError(BaseModel):
    """One field that is wrong."""

    field: str
    message: str


class Problem(BaseModel):
    """An error, by RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class ApiError(Exception):
    """An error whose cause the client can act on: `detail` says what it is and what to do."""

    def __init__(
        self,
        problem_type: ProblemType,
        detail: str,
        *,
        headers: Headers | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.type = problem_type
        self.detail = detail
        self.headers = headers or {}
        self.errors = errors


def problem(error: ApiError) -> Response[str]:
    """The response for an error; `errors` names each failing field."""
    status = error.type.status
    body: dict[str, Any] = {
        "type": names.PROBLEM_TYPE_PREFIX + error.type.code,
        "title": status.phrase,
        "status": int(status),
        "detail": error.detail,
    }
    if error.errors:
        body["errors"] = error.errors
    return Response(
        status_code=int(status), content_type=names.PROBLEM_CONTENT_TYPE, headers=error.headers, body=json.dumps(body)
    )


def field_errors(errors: Iterable[Any]) -> list[dict[str, str]]:
    """What pydantic found wrong first, as {field, message} with the field's dotted path inside the body."""
    return [
        {
            "field": ".".join(map(str, error["loc"]))[:FIELD_CHARACTERS_MAX] or "body",
            # Pydantic's prefix of what our own validators say.
            "message": str(error["msg"]).removeprefix("Value error, "),
        }
        for error in islice(errors, FIELD_ERRORS_MAX)
    ]
