"""Reading requests: body, query and headers turned into models, or into errors that say what would be right."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from pydantic import BaseModel, ValidationError

from lambda_api.problems import (
    BODY_TOO_LARGE,
    INVALID_HEADER,
    INVALID_JSON,
    INVALID_REQUEST,
    MEDIA_TYPE,
    ApiError,
    field_errors,
)
from lambda_api.settings import WAIT_SECONDS_MAX

BODY_BYTES_MAX: Final = 64 * 1024
IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 255

Model = TypeVar("Model", bound=BaseModel)


def read_body(event: APIGatewayProxyEvent, model: type[Model]) -> Model:
    """The JSON body as `model`. Raises `ApiError` 400, 413, 415 or 422."""
    media_type = (event.headers.get("content-type") or "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(MEDIA_TYPE, f"Send the body as application/json, not as {media_type[:100]}.")
    try:
        body = (event.decoded_body if event.body else "") or ""
    except ValueError:
        raise ApiError(INVALID_JSON, "The body is not UTF-8 text.") from None
    if len(body.encode()) > BODY_BYTES_MAX:
        raise ApiError(BODY_TOO_LARGE, f"The body may have at most {BODY_BYTES_MAX:,} bytes.")
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        if errors[0]["type"] == "json_invalid":
            raise ApiError(
                INVALID_JSON, f"The body is not valid JSON: {errors[0]['msg'].partition(': ')[2]}."
            ) from None
        raise invalid(errors) from None


def read_query(event: APIGatewayProxyEvent, model: type[Model]) -> Model:
    """The query string as `model`. Raises `ApiError` 422."""
    given = event.multi_value_query_string_parameters or event.query_string_parameters or {}
    values = {name: value[-1] if isinstance(value, list) else value for name, value in given.items()}
    return validated(model, values)


def validated(model: type[Model], fields: Mapping[str, object]) -> Model:
    """`fields` as `model`. Raises `ApiError` 422."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False, include_input=False)) from None


def read_wait_seconds(event: APIGatewayProxyEvent) -> int | None:
    """N of `Prefer: wait=N`, at most `WAIT_SECONDS_MAX`. A preference that is not understood is ignored (RFC 7240)."""
    preferred = event.headers.get("prefer") or ""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,99})\"?\s*(?:$|[,;])", preferred, re.IGNORECASE)
    return min(int(found[1]), WAIT_SECONDS_MAX) if found else None


def read_idempotency_key(event: APIGatewayProxyEvent) -> str | None:
    """The `Idempotency-Key` header. Raises `ApiError` 400 if it is no usable key."""
    key = event.headers.get("idempotency-key")
    if key is None:
        return None
    if not re.fullmatch(rf"[\x21-\x7e]{{1,{IDEMPOTENCY_KEY_CHARACTERS_MAX}}}", key):
        raise ApiError(
            INVALID_HEADER,
            f"Idempotency-Key takes 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} visible ASCII characters.",
            errors=[{"field": "Idempotency-Key", "message": "a random UUID is a good key"}],
        )
    return key


def invalid(errors: Iterable[Any]) -> ApiError:
    """422 for what pydantic found wrong."""
    return ApiError(
        INVALID_REQUEST,
        "The request is not valid; `errors` says which fields and why.",
        errors=field_errors(errors),
    )
