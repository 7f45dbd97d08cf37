"""The Lambda function: routes, and errors turned into responses in one place."""

from lambda_api import cold_start  # isort: split

import time
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from jobs import names
from jobs.embedded import embedded
from jobs.logs import SERVICE_API, Event, keep_fields, log_event, log_exception
from jobs.metrics import Metric
from lambda_api import automatic1111, openai, services
from lambda_api.caller import NOBODY, caller
from lambda_api.problems import (
    INTERNAL,
    METHOD_NOT_ALLOWED,
    ROUTE_NOT_FOUND,
    UNAVAILABLE,
    ApiError,
    problem,
)
from lambda_api.routing import ADAPTERS, PARTS, operations_at
from lambda_api.services import logger
from lambda_api.settings import project
from lambda_api.waiting import take_waited_seconds

RETRY_AFTER_SECONDS: Final = 5
NO_ROUTE: Final = "none"

app = APIGatewayRestResolver()


def count_request(app: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """Refuse a key that has made its requests of this minute, before anything is done for it."""
    who = caller(app.current_event)
    if who is not NOBODY:
        keep_fields(logger, caller=who.name)
        services.usage().count_request(who)
    return next_middleware(app)


app.use([count_request])
for part in (*PARTS, *ADAPTERS):
    app.include_router(part.router)
_is_cold = True


@app.exception_handler(ApiError)
def on_api_error(error: ApiError) -> Response[str]:
    """Our own errors."""
    return _answer(error)


@app.not_found
def on_not_found(error: NotFoundError) -> Response[str]:
    """A path that is not ours, or a method that a path of ours does not know."""
    event = app.current_event
    allowed = sorted(method.value for operation in operations_at(event.path) for method in operation.methods)
    if not allowed or event.http_method in allowed:
        return _answer(ApiError(ROUTE_NOT_FOUND, f"There is no {event.path[:200]}."))
    allow = ", ".join(allowed)
    detail = f"{event.path[:200]} takes {allow}, not {event.http_method}."
    return _answer(ApiError(METHOD_NOT_ALLOWED, detail, headers={"Allow": allow}))


@app.exception_handler([ClientError, BotoCoreError])
def on_aws_error(error: ClientError | BotoCoreError) -> Response[str]:
    """AWS did not do what it was asked to, after retries."""
    log_event(logger, Event.AWS_UNREACHABLE, f"AWS did not answer: {error}", warning=True)
    detail = "A service behind the API did not answer; send the request again."
    return _answer(ApiError(UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}))


@app.exception_handler(Exception)
def on_unexpected_error(error: Exception) -> Response[str]:
    """Whatever else: the log says all, the client gets the correlation id to ask about it."""
    log_exception(logger, Event.REQUEST_FAILED, "The request failed")
    correlation_id = app.current_event.request_context.request_id
    return _answer(
        ApiError(INTERNAL, f"Something went wrong on our side. Quote this id when you ask about it: {correlation_id}")
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What AWS Lambda calls."""
    global _is_cold
    started = time.perf_counter()
    request = event["requestContext"]
    # Nothing of the request before; an open route has no caller, and all's well until something says otherwise.
    keep_fields(logger, correlation_id=request["requestId"], caller=NOBODY.name, error_code=None)
    # What can be got can be asked about: HEAD is a GET whose body stays here.
    is_head = event["httpMethod"] == "HEAD"
    response = app.resolve({**event, "httpMethod": "GET"} if is_head else event, context)
    if is_head:
        response["body"] = ""
    response.setdefault("multiValueHeaders", {})[names.CORRELATION_HEADER] = [request["requestId"]]
    duration_ms = round((time.perf_counter() - started) * 1000, 1)
    waited_ms = round(take_waited_seconds() * 1000, 1)
    status = int(response["statusCode"])
    found = operations_at(event["path"])
    log_event(
        logger,
        Event.REQUEST,
        f"{event['httpMethod']} {event['path']} {status}",
        method=event["httpMethod"],
        route=found[0].path if found else NO_ROUTE,
        status=status,
        duration_ms=duration_ms,
        waited_ms=waited_ms,
        cold_start=_is_cold,
        metrics=_metrics(status, max(0.0, duration_ms - waited_ms)),
    )
    if _is_cold:
        _is_cold = False
        cold_start.over()
    return response


def _answer(error: ApiError) -> Response[str]:
    """The error in the form that the client of this path expects."""
    # The request's own line is still to come.
    keep_fields(logger, error_code=error.type.code)
    path = app.current_event.path
    forms = {openai.PREFIX: openai.error_response, automatic1111.PREFIX: automatic1111.error_response}
    form = next((form for prefix, form in forms.items() if path.startswith(prefix)), problem)
    return form(error)


def _metrics(status: int, latency_ms: float) -> dict[str, Any]:
    """CloudWatch reads these fields of the request's own line as metrics: no second line, no call."""
    values = {
        Metric.REQUESTS: 1,
        Metric.CLIENT_ERRORS: int(400 <= status < 500),
        Metric.SERVER_ERRORS: int(status >= 500),
        Metric.LATENCY: round(latency_ms, 1),
    }
    return embedded(SERVICE_API, project(), values)
