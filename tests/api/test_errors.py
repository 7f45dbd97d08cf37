"""Every error is problem+json with a stable type, and tells nothing of our insides."""

from typing import Any

import httpx
import pytest

from jobs import names
from local_cloud.cloud import LocalCloud
from tests.api.conftest import function_environment

JSON = {"content-type": "application/json"}


def check(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-correlation-id"]
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"urn:gameforge:problem:{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "not-a-key-of-this-api-at-all"}])
def test_without_a_valid_key(api_cloud: LocalCloud, headers: dict[str, str]) -> None:
    response = httpx.post(f"{api_cloud.url}/v1/generations", json={"prompt": "a gem"}, headers=headers, timeout=40)
    check(response, 401, "key-required")
    assert response.headers["www-authenticate"]


@pytest.mark.parametrize("body", ["{", "", "[1", '{"prompt": "\\ud800"}', "\x00"])
def test_a_body_that_is_not_json(api: httpx.Client, body: str) -> None:
    check(api.post("/v1/generations", content=body, headers=JSON), 400, "invalid-json")


@pytest.mark.parametrize("body", ["[]", "null", "7", '"prompt"'])
def test_a_body_that_is_no_object(api: httpx.Client, body: str) -> None:
    problem = check(api.post("/v1/generations", content=body, headers=JSON), 422, "invalid-request")
    assert [error["field"] for error in problem["errors"]] == ["body"]


def test_a_wrong_field_says_what_would_be_right(api: httpx.Client) -> None:
    problem = check(api.post("/v1/generations", json={"prompt": "a gem", "width": 65}), 422, "invalid-request")
    assert problem["errors"] == [{"field": "width", "message": "Input should be a multiple of 8"}]
    problem = check(api.post("/v1/generations", json={"prompt": " "}), 422, "invalid-request")
    assert problem["errors"] == [{"field": "prompt", "message": "Input should not be blank"}]


def test_not_all_of_a_thousand_wrong_fields_come_back(api: httpx.Client) -> None:
    body = {"prompt": "a gem", **{f"{'x' * 200}{n}": n for n in range(200)}}
    problem = check(api.post("/v1/generations", json=body), 422, "invalid-request")
    assert [error["field"] for error in problem["errors"]] == ["x" * 100] * 20


def test_a_body_of_another_type(api: httpx.Client) -> None:
    response = api.post("/v1/generations", content="prompt=gem", headers={"content-type": "text/plain"})
    check(response, 415, "unsupported-media-type")


def test_a_body_that_is_too_long(api: httpx.Client) -> None:
    check(api.post("/v1/generations", json={"prompt": "a gem", "x": "x" * 70_000}), 413, "body-too-large")


def test_a_job_that_costs_too_much(api_cloud: LocalCloud, api: httpx.Client) -> None:
    size = {"width": 2048, "height": 2048, "num_inference_steps": 150, "num_images": 8}
    problem = check(api.post("/v1/generations", json={"prompt": "a gem", **size}), 422, "job-too-large")
    assert "419,430,400" in problem["detail"]
    assert {error["field"] for error in problem["errors"]} == set(size)
    with function_environment(api_cloud, **{names.ENV_PIXEL_STEPS_MAX: str(64 * 64 * 2)}):
        check(api.post("/v1/generations", json={"prompt": "a gem", "num_inference_steps": 3}), 422, "job-too-large")
        assert api.post("/v1/generations", json={"prompt": "a gem", "num_inference_steps": 2}).status_code == 202


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/", "/v1/generations/x/y/z", "/v2/models"])
def test_a_path_that_there_is_not(api: httpx.Client, path: str) -> None:
    check(api.get(path), 404, "route-not-found")


def test_a_job_that_there_is_not(api: httpx.Client) -> None:
    for path in ("x", "0" * 32, "x" * 5000):
        check(api.get(f"/v1/generations/{path}"), 404, "job-not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/generations", "GET, HEAD, POST"),
        ("PATCH", f"/v1/generations/{'0' * 32}", "DELETE, GET, HEAD"),
        ("GET", f"/v1/generations/{'0' * 32}/cancel", "POST"),
        ("POST", f"/v1/generations/{'0' * 32}/images/0", "GET, HEAD"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/health", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("PUT", "/openapi.json", "GET, HEAD"),
        ("OPTIONS", "/v1/health", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_know(api: httpx.Client, method: str, path: str, allow: str) -> None:
    response = api.request(method, path)
    check(response, 405, "method-not-allowed")
    assert response.headers["allow"] == allow


def test_head_says_what_get_would_without_its_body(api: httpx.Client) -> None:
    for path in ("/v1/generations", "/docs", f"/v1/generations/{'0' * 32}", "/v1/nothing"):
        got, head = api.get(path), api.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
    refused = api.head(f"/v1/generations/{'0' * 32}/cancel")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_requests_that_come_faster_than_the_stage_takes_them(api_cloud: LocalCloud, api: httpx.Client) -> None:
    gateway = api_cloud.deployment.client("apigateway")
    stack = api_cloud.deployment.client("cloudformation").describe_stacks(StackName="gameforge-api")["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def throttle(rate: float, burst: int) -> None:
        values = {"rateLimit": str(rate), "burstLimit": str(burst)}
        operations = [
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in values.items()
        ]
        gateway.update_stage(restApiId=outputs["ApiId"], stageName=outputs["StageName"], patchOperations=operations)

    throttle(0.1, 1)
    try:
        responses = [api.get("/v1/models") for _ in range(3)]
    finally:
        throttle(100, 200)
    check(responses[-1], 429, "too-many-requests")
    assert int(responses[-1].headers["retry-after"]) >= 1


def test_a_table_that_does_not_answer(api_cloud: LocalCloud, api: httpx.Client) -> None:
    with function_environment(api_cloud, **{names.ENV_JOBS_TABLE: "no-such-table"}):
        response = api.post("/v1/generations", json={"prompt": "a gem"})
        problem = check(response, 503, "temporarily-unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert "no-such-table" not in str(problem)


def test_our_own_mistakes_show_nothing_of_our_insides(api_cloud: LocalCloud, api: httpx.Client) -> None:
    with function_environment(api_cloud, **{names.ENV_JOBS_TABLE: None}):
        response = api.get("/v1/generations")
    problem = check(response, 500, "internal-error")
    assert response.headers["x-correlation-id"] in problem["detail"]
    for word in ("Traceback", "pydantic", "JOBS_TABLE", "lambda_api", ".py"):
        assert word not in response.text


def test_a_function_that_dies(api_cloud: LocalCloud, api: httpx.Client) -> None:
    function = api_cloud.deployment.client("lambda")
    function.update_function_configuration(FunctionName="gameforge-api", Handler="lambda_api.nothing.handler")
    try:
        response = api.get("/v1/models")
    finally:
        function.update_function_configuration(FunctionName="gameforge-api", Handler=names.LAMBDA_HANDLER)
    problem = check(response, 502, "gateway-failure")
    assert "nothing" not in str(problem)
    assert api.get("/v1/models").status_code == 200
