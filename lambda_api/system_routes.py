"""Routes about the system itself: health, models, and the API's own documentation."""

from http import HTTPMethod, HTTPStatus
from pathlib import Path
from typing import Final

from aws_lambda_powertools.event_handler import Response

from lambda_api import problems as p
from lambda_api import services
from lambda_api.operations import Answer, Operations, json_answer
from lambda_api.views import HealthView, ModelListView

# Both files stand in the package beside this module.
DOCUMENT: Final = Path(__file__).with_name("openapi.json")
PAGE: Final = Path(__file__).with_name("docs.html")
_COMMON: Final = (p.REQUEST_LIMIT, p.UNAVAILABLE, p.INTERNAL)
# The page runs its own script and styles, and speaks to nobody but this API.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

operations = Operations()


@operations.route(
    HTTPMethod.GET,
    "/v1/health",
    answers={HTTPStatus.OK: Answer("The queue and the workers.", HealthView)},
    problems=_COMMON,
)
def get_health() -> Response[str]:
    """Show how the system is."""
    return json_answer(services.health().now())


@operations.route(
    HTTPMethod.GET,
    "/v1/models",
    answers={HTTPStatus.OK: Answer("The models.", ModelListView)},
    problems=_COMMON,
)
def list_models() -> Response[str]:
    """List models."""
    return json_answer(services.health().models())


@operations.route(HTTPMethod.GET, "/openapi.json", answers={HTTPStatus.OK: Answer("This document.")}, is_open=True)
def get_document() -> Response[str]:
    """Describe the API in OpenAPI 3.1."""
    return Response(status_code=HTTPStatus.OK.value, content_type="application/json", body=DOCUMENT.read_text())


@operations.route(
    HTTPMethod.GET,
    "/docs",
    answers={HTTPStatus.OK: Answer("The page.", media_type="text/html")},
    is_open=True,
)
def get_page() -> Response[str]:
    """Describe the API on a page."""
    return Response(
        status_code=HTTPStatus.OK.value,
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": _POLICY},
        body=PAGE.read_text(),
    )
