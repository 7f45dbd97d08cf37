"""The Lambda function: routes, and errors turned into responses in one place."""

from functools import cache
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobs.logs import CORRELATION_ID, SERVICE_API, Event, log_event, make_logger
from jobs.request import GenerationRequest
from lambda_api.generations import RETRY_AFTER_SECONDS, Generations, JobView
from lambda_api.problems import ApiError, field_errors, problem
from lambda_api.settings import ApiSettings

CORRELATION_HEADER: Final = "x-correlation-id"
# A request without a key can't get this far in a deployed API; the name only shows in tests of the function alone.
NO_OWNER: Final = "none"

logger = make_logger(SERVICE_API)
app = APIGatewayRestResolver(enable_validation=True)


@cache
def generations() -> Generations:
    """The clients are made at the first request that needs them."""
    import boto3
    from botocore.config import Config

    from jobs.queue import JobQueue
    from jobs.store import JobStore

    settings = ApiSettings.from_environment()
    # Under API Gateway's 29 s, so that an AWS hiccup ends in our error and not in the gateway's.
    config = Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=2, read_timeout=6)
    return Generations(
        store=JobStore(boto3.client("dynamodb", config=config), settings.jobs_table),
        queue=JobQueue(boto3.client("sqs", config=config), settings.gpu_queue_url),
        # SigV4 said explicitly: a default client may presign with SigV2, which AWS refuses in newer regions.
        s3=boto3.client("s3", config=config.merge(Config(signature_version="s3v4"))),
        images_bucket=settings.images_bucket,
        default_size_px=settings.default_size_px,
        logger=logger,
    )


@app.post("/v1/generations", status_code=202)
def create_generation(body: GenerationRequest) -> Response[JobView]:
    """Accept a job."""
    context = app.current_event.request_context
    owner = context.identity.get("apiKeyId") or NO_OWNER
    job = generations().accept(body, owner=owner, correlation_id=context.request_id)
    location = f"{(context.path or app.current_event.path).rstrip('/')}/{job.id}"
    return Response(
        status_code=int(HTTPStatus.ACCEPTED),
        content_type="application/json",
        headers={"Location": location, "Retry-After": str(RETRY_AFTER_SECONDS)},
        body=job,
    )


@app.get("/v1/generations/<job_id>")
def get_generation(job_id: str) -> JobView:
    """Show a job."""
    return generations().show(job_id)


@app.exception_handler(ApiError)
def on_api_error(error: ApiError) -> Response[str]:
    """Our own errors."""
    return problem(error.status, error.code, error.detail, headers=error.headers)


@app.exception_handler(RequestValidationError)
def on_invalid_request(error: RequestValidationError) -> Response[str]:
    """A body that is not JSON, or whose fields are wrong."""
    errors = error.errors()
    if any(e["type"] == "json_invalid" for e in errors):
        return problem(HTTPStatus.BAD_REQUEST, "invalid-json", "The body is not valid JSON.")
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        "The request is not valid; `errors` says which fields and why.",
        errors=field_errors(errors),
    )


@app.not_found
def on_not_found(error: NotFoundError) -> Response[str]:
    """A path or method that is not ours."""
    event = app.current_event
    return problem(HTTPStatus.NOT_FOUND, "route-not-found", f"There is no {event.http_method} {event.path}.")


@app.exception_handler(Exception)
def on_unexpected_error(error: Exception) -> Response[str]:
    """Whatever else: the log says all, the client gets the correlation id to ask about it."""
    logger.exception("The request failed", extra={"event": str(Event.REQUEST_FAILED)})
    correlation_id = app.current_event.request_context.request_id
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        f"Something went wrong on our side. Quote this id when you ask about it: {correlation_id}",
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What AWS Lambda calls."""
    request = event["requestContext"]
    logger.append_keys(**{CORRELATION_ID: request["requestId"]})
    response = app.resolve(event, context)
    response.setdefault("multiValueHeaders", {})[CORRELATION_HEADER] = [request["requestId"]]
    log_event(
        logger,
        Event.REQUEST,
        f"{event['httpMethod']} {event['path']} {response['statusCode']}",
        method=event["httpMethod"],
        route=event["path"],
        status=response["statusCode"],
    )
    return response
