"""Errors as clients see them: problem+json (RFC 9457) with a stable type, and nothing about our insides."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

CONTENT_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:gameforge:problem:"


class ApiError(Exception):
    """An error whose cause the client can act on. `code` is stable: it is the end of the problem's type."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, *, headers: dict[str, str | list[str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    headers: dict[str, str | list[str]] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response[str]:
    """The response for one error; `errors` names each failing field."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + code,
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return Response(status_code=int(status), content_type=CONTENT_TYPE, headers=headers, body=json.dumps(body))


def field_errors(errors: Iterable[Any]) -> list[dict[str, str]]:
    """What pydantic found wrong, as {field, message} with the field's dotted path inside the body."""
    return [
        {
            "field": ".".join(str(part) for part in error["loc"] if part != "body") or "body",
            "message": str(error["msg"]),
        }
        for error in errors
    ]
