"""The list of what the API offers: each route with its documentation, from which routing and OpenAPI both come."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPMethod, HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from pydantic import BaseModel
from pydantic_core import to_json

from lambda_api.caller import Caller, caller
from lambda_api.problems import Headers, ProblemType

Function = Callable[..., Response[str]]


@dataclass(frozen=True)
class Header:
    """A request or response header. `schema` is JSON Schema."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """A successful response: what it means, its body's model and media type (None: no body), its headers."""

    description: str
    model: type[BaseModel] | None = None
    media_type: str | None = "application/json"
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One method of one path. `path` marks its parameters with braces; `is_open` needs no key."""

    method: HTTPMethod
    path: str
    function: Function
    summary: str
    answers: dict[HTTPStatus, Answer]
    problems: tuple[ProblemType, ...]
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    headers: tuple[Header, ...]
    path_schemas: dict[str, dict[str, Any]]
    is_open: bool
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(re.sub(r"\{\w+\}", "[^/]+", self.path) + "/?"))

    @property
    def methods(self) -> tuple[HTTPMethod, ...]:
        """The methods that it answers."""
        return (HTTPMethod.GET, HTTPMethod.HEAD) if self.method is HTTPMethod.GET else (self.method,)


class Operations:
    """The routes of one part of the API. Declare them with `route`; `router` is what the resolver includes."""

    def __init__(self) -> None:
        self.router: Final = APIGatewayRouter()  # type: ignore[no-untyped-call]
        self._operations: list[Operation] = []

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations)

    @property
    def event(self) -> APIGatewayProxyEvent:
        """The request that is being served."""
        event: APIGatewayProxyEvent = self.router.current_event
        return event

    @property
    def caller(self) -> Caller:
        """Who makes that request."""
        return caller(self.event)

    @property
    def remaining_seconds(self) -> float:
        """How long the function may still take over that request."""
        remaining_ms: int = self.router.lambda_context.get_remaining_time_in_millis()
        return remaining_ms / 1000

    def route(
        self,
        method: HTTPMethod,
        path: str,
        *,
        answers: dict[HTTPStatus, Answer],
        problems: tuple[ProblemType, ...] = (),
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        headers: tuple[Header, ...] = (),
        path_schemas: dict[str, dict[str, Any]] | None = None,
        is_open: bool = False,
    ) -> Callable[[Function], Function]:
        """Route a method of a path to the decorated function, whose docstring's first line is the summary."""

        def register(function: Function) -> Function:
            summary = (function.__doc__ or "").strip().split("\n")[0]
            self._operations.append(
                Operation(
                    method,
                    path,
                    function,
                    summary,
                    answers,
                    problems,
                    body,
                    query,
                    headers,
                    path_schemas or {},
                    is_open,
                )
            )
            rule = path.replace("{", "<").replace("}", ">")
            self.router.route(rule, method.value)(function)
            return function

        return register


def json_answer(body: Any, status: HTTPStatus = HTTPStatus.OK, headers: Headers | None = None) -> Response[str]:
    """A successful answer; `body` is a model, or what JSON knows."""
    return Response(
        status_code=status.value, content_type="application/json", headers=headers, body=to_json(body).decode()
    )
