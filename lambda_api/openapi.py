"""The OpenAPI 3.1 document, made from the list of operations: `python -m lambda_api.openapi [--check]`."""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from jobs import names
from lambda_api.operations import Answer, Header, Operation
from lambda_api.problems import Problem
from lambda_api.routing import OPERATIONS

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
_REFERENCE: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = """\
Pictures from prompts, made by SDXL on your own account. A job is a record, not a connection: `POST /v1/generations` \
answers at once with the job, whose URL says how it goes. Errors are problem+json (RFC 9457) with a stable `type`.

Give your key in `x-api-key`, as `Authorization: Bearer`, or as the password of `Authorization: Basic`. The same jobs \
can be ordered in OpenAI's language under `/openai/v1`, and in AUTOMATIC1111's under `/sdapi/v1`."""
# What the gateway in front of the function may answer to any request that needs a key.
_GATEWAY_PROBLEMS: Final = {
    401: "**key-required**: There is no valid key in the request.",
    429: "**too-many-requests**: Requests come too fast; `Retry-After` says when to go on.",
    502: "**gateway-failure**: The API did not answer the gateway; try again.",
    504: "**gateway-timeout**: The API did not answer in time; try again.",
}


def document() -> dict[str, Any]:
    """The document, as the code stands."""
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in OPERATIONS:
        paths[operation.path][operation.method.value.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GameForge SDXL",
            "version": "1.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to where the document is: right behind a stage, and behind a domain of your own.
        "servers": [{"url": "."}],
        "security": [{"key": []}, {"bearer": []}, {"basic": []}],
        "paths": dict(paths),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "The key is the password."},
            },
        },
    }


def text() -> str:
    """The document as it is committed and served."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.function.__name__,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation.query), *_headers(operation.headers)],
        "responses": {str(status.value): _answer(answer) for status, answer in operation.answers.items()},
    }
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(operation.body)}},
        }
    if operation.is_open:
        described["security"] = []
    described["responses"] |= _problems(operation)
    return {name: value for name, value in described.items() if value != [] or name == "security"}


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in operation.path_schemas.items()
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    parameters = []
    for name, schema in model.model_json_schema(ref_template=_REFERENCE)["properties"].items():
        description = schema.pop("description", "")
        # In a query string, what is left out is null.
        kinds = [kind for kind in schema.pop("anyOf", []) if kind != {"type": "null"}]
        schema.pop("title", None)
        if schema.get("default", 0) is None:
            schema.pop("default")
        parameters.append(
            {"name": name, "in": "query", "description": description, "schema": kinds[0] if kinds else schema}
        )
    return parameters


def _headers(headers: tuple[Header, ...]) -> list[dict[str, Any]]:
    return [
        {"name": header.name, "in": "header", "description": header.description, "schema": header.schema}
        for header in headers
    ]


def _answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        described["headers"] = {
            header.name: {"description": header.description, "schema": header.schema} for header in answer.headers
        }
    if answer.model:
        described["content"] = {answer.media_type: {"schema": _ref(answer.model)}}
    elif answer.media_type:
        described["content"] = {answer.media_type: {}}
    return described


def _problems(operation: Operation) -> dict[str, Any]:
    meanings: dict[int, list[str]] = defaultdict(list)
    for problem in operation.problems:
        meanings[problem.status.value].append(f"**{problem.code}**: {problem.meaning}")
    if not operation.is_open:
        for status, meaning in _GATEWAY_PROBLEMS.items():
            meanings[status].append(meaning)
    return {
        str(status): {
            "description": "\n\n".join(texts),
            "content": {names.PROBLEM_CONTENT_TYPE: {"schema": _ref(Problem)}},
        }
        for status, texts in sorted(meanings.items())
    }


def _schemas() -> dict[str, Any]:
    modes: dict[type[BaseModel], JsonSchemaMode] = {Problem: "validation"}
    for operation in OPERATIONS:
        for model in (operation.body, operation.query):
            if model:
                modes[model] = "validation"
        for answer in operation.answers.values():
            if answer.model:
                modes[answer.model] = "serialization"
    _, schemas = models_json_schema(list(modes.items()), ref_template=_REFERENCE)
    queries = {operation.query.__name__ for operation in OPERATIONS if operation.query}
    return {name: schema for name, schema in schemas["$defs"].items() if name not in queries}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def main() -> int:
    """Write the document, or say whether the committed one is what the code makes. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the document differs")
    made = text()
    committed = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    if parser.parse_args().check:
        if made != committed:
            print(f"docs/{DOCUMENT.name} is not what the code makes: run `make openapi` and commit the result")
        return int(made != committed)
    DOCUMENT.write_text(made)
    print(f"docs/{DOCUMENT.name}: {len(OPERATIONS)} operations, {len(made.encode()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
