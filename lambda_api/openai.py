"""OpenAI's image API, for clients that speak it: /openai/v1, a translation to and from our own jobs."""

import hashlib
import json
from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, ConfigDict, Field

from jobs.job import Job
from jobs.request import IMAGES_MAX, GenerationRequest
from lambda_api import services
from lambda_api.holds import hold_again, hop_after, in_base64
from lambda_api.incoming import read_body, read_query, validated
from lambda_api.operations import Operations, json_answer
from lambda_api.problems import JOB_CANCELED, JOB_FAILED, MODEL_NOT_FOUND, ApiError

PREFIX: Final = "/openai/"
# The SDK waits for a Retry-After up to this long, and tries again at once otherwise.
RETRY_AFTER_SECONDS_MAX: Final = 60

operations = Operations()


class ImagesRequest(GenerationRequest):
    """OpenAI's names, and beside them our own fields, as `extra_body` sends them."""

    # Built when it is first used: most functions never are asked in this language.
    model_config = ConfigDict(defer_build=True)

    model: str | None = None
    n: Annotated[int | None, Field(ge=1, le=IMAGES_MAX)] = None
    size: Annotated[str | None, Field(pattern=r"^(auto|\d{1,5}x\d{1,5})$")] = None
    response_format: Literal["url", "b64_json"] | None = None
    # Without meaning for this model; clients send them by default.
    user: str | None = None
    quality: str | None = None
    style: str | None = None
    moderation: str | None = None

    def generation(self) -> GenerationRequest:
        """The job that is asked for. Raises `ApiError` 422."""
        fields = self.model_dump(exclude_none=True, include=set(GenerationRequest.model_fields))
        if self.n is not None:
            fields["num_images"] = self.n
        if self.size and self.size != "auto":
            fields["width"], fields["height"] = map(int, self.size.split("x"))
        return validated(GenerationRequest, fields)


class WaitQuery(BaseModel):
    """What a hold passes on to the next one."""

    model_config = ConfigDict(defer_build=True)

    response_format: Literal["url", "b64_json"]
    request: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@operations.route(HTTPMethod.POST, "/openai/v1/images/generations", answers={}, body=ImagesRequest)
def create_images() -> Response[str]:
    """Make pictures, and answer when they are made."""
    event, who, holds = operations.event, operations.caller, services.holds()
    body = read_body(event, ImagesRequest)
    if body.model not in (None, model := services.settings().model_name):
        raise ApiError(MODEL_NOT_FOUND, f"There is no model {body.model!r} here; leave it out, or say {model!r}.")
    request = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    # The SDK sends a request again when its answer took too long or got lost. That is not a second wish.
    is_retry = (event.headers.get("x-stainless-retry-count") or "0") != "0"
    job = holds.unanswered(who, request) if is_retry else None
    if job is None:
        job = services.orders().accept(body.generation(), who, event.request_context.request_id)
        holds.asked(who, request, job)
    return _held(job, 1, WaitQuery(response_format=body.response_format or "url", request=request))


@operations.route(HTTPMethod.GET, "/openai/v1/wait/{job_id}/{hop}", answers={}, query=WaitQuery)
def wait_for_images(job_id: str, hop: str) -> Response[str]:
    """Go on holding a request that took longer than one answer may."""
    job = services.generations().find(job_id, operations.caller)
    return _held(job, hop_after(hop), read_query(operations.event, WaitQuery))


@operations.route(HTTPMethod.GET, "/openai/v1/models", answers={})
def list_models() -> Response[str]:
    """List models."""
    name = services.settings().model_name
    model = {"id": name, "object": "model", "created": 0, "owned_by": "gameforge"}
    return json_answer({"object": "list", "data": [model]})


def error_response(error: ApiError) -> Response[str]:
    """The error as OpenAI's clients read it. They try 409, 429 and 5xx again unless told not to."""
    status = error.type.status
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    fields = [f"{wrong['field']}: {wrong['message']}" for wrong in error.errors or ()]
    body = {
        "message": " ".join([error.detail, *fields]),
        "type": "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error",
        "param": error.errors[0]["field"] if error.errors else None,
        "code": error.type.code,
    }
    headers = dict(error.headers)
    has_ended = error.type in (JOB_FAILED, JOB_CANCELED)
    if has_ended or int(str(headers.get("Retry-After", 0))) > RETRY_AFTER_SECONDS_MAX:
        headers["x-should-retry"] = "false"
    return Response(
        status_code=status.value, content_type="application/json", headers=headers, body=json.dumps({"error": body})
    )


def _held(job: Job, hop: int, query: WaitQuery) -> Response[str]:
    who, holds = operations.caller, services.holds()
    made = holds.made(job.job_id, who, operations.remaining_seconds)
    if made is None:
        path = f"/openai/v1/wait/{job.job_id}?{urlencode(query.model_dump())}"
        return hold_again(operations.event, path, hop)
    answer = json_answer(_images(made, query.response_format))
    holds.answered(who, query.request)
    return answer


def _images(job: Job, response_format: str) -> dict[str, Any]:
    jobs = services.generations()
    if response_format == "url":
        data: list[dict[str, Any]] = [{"url": jobs.image_url(job, index)} for index in range(len(job.images))]
    else:
        data = [{"b64_json": text} for text in in_base64(jobs, job)]
    for entry, image in zip(data, job.images, strict=True):
        entry["seed"] = image.seed
    # The id is ours, for asking about the job on the native routes.
    return {"created": int(datetime.fromisoformat(job.created_at).timestamp()), "data": data, "id": job.job_id}
