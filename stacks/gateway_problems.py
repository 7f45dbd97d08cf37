"""API Gateway's own errors, in the same problem+json form as the API's."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from troposphere import Ref, apigateway

from jobs import names


@dataclass(frozen=True)
class _GatewayProblem:
    """What the gateway answers when it does not let a request through, or gets no answer to it."""

    response_type: str
    status: HTTPStatus
    code: str
    detail: str
    headers: tuple[tuple[str, str], ...] = ()


_KEY_DETAIL: Final = (
    "Give a valid key: in x-api-key, as Authorization: Bearer, or as the password of Authorization: Basic."
)
_PROBLEMS: Final = (
    _GatewayProblem(
        "UNAUTHORIZED", HTTPStatus.UNAUTHORIZED, "key-required", _KEY_DETAIL, (("WWW-Authenticate", "Bearer"),)
    ),
    _GatewayProblem("ACCESS_DENIED", HTTPStatus.FORBIDDEN, "key-refused", "This key may not do this."),
    # What the gateway calls a missing token is a path that it does not know.
    _GatewayProblem(
        "MISSING_AUTHENTICATION_TOKEN", HTTPStatus.NOT_FOUND, "route-not-found", "There is no such path; see /docs."
    ),
    _GatewayProblem(
        "THROTTLED",
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-requests",
        "Requests come faster than this API takes them; slow down.",
        (("Retry-After", "1"),),
    ),
    _GatewayProblem(
        "REQUEST_TOO_LARGE", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", "The body is too long."
    ),
    _GatewayProblem(
        "INTEGRATION_TIMEOUT",
        HTTPStatus.GATEWAY_TIMEOUT,
        "gateway-timeout",
        "The API did not answer in time; send the request again.",
        (("Retry-After", "5"),),
    ),
    _GatewayProblem(
        "INTEGRATION_FAILURE",
        HTTPStatus.BAD_GATEWAY,
        "gateway-failure",
        "The API could not be reached; send the request again.",
        (("Retry-After", "5"),),
    ),
    _GatewayProblem("DEFAULT_4XX", HTTPStatus.BAD_REQUEST, "bad-request", "The gateway did not take the request."),
    _GatewayProblem(
        "DEFAULT_5XX",
        HTTPStatus.BAD_GATEWAY,
        "gateway-failure",
        "The API did not answer; send the request again.",
        (("Retry-After", "5"),),
    ),
)


def gateway_responses(api: apigateway.RestApi) -> list[apigateway.GatewayResponse]:
    """One resource for each error of the gateway's own."""
    return [_response(api, problem) for problem in _PROBLEMS]


def _response(api: apigateway.RestApi, problem: _GatewayProblem) -> apigateway.GatewayResponse:
    body = {
        "type": names.PROBLEM_TYPE_PREFIX + problem.code,
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    headers = {
        "Content-Type": f"'{names.PROBLEM_CONTENT_TYPE}'",
        names.CORRELATION_HEADER: "context.requestId",
        **{name: f"'{value}'" for name, value in problem.headers},
    }
    title = "".join(word.capitalize() for word in problem.response_type.split("_"))
    return apigateway.GatewayResponse(
        f"{title}Response",
        RestApiId=Ref(api),
        ResponseType=problem.response_type,
        StatusCode=str(problem.status.value),
        ResponseParameters={f"gatewayresponse.header.{name}": value for name, value in headers.items()},
        ResponseTemplates={"application/json": json.dumps(body)},
    )
