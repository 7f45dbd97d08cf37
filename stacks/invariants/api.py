"""Invariants of the API: what is deployed is what is declared, it is guarded, and its function can answer in time."""

import re
from collections.abc import Iterator
from typing import Final

from jobs.names import OPEN_PATHS
from stacks.deployment_id import FINGERPRINT_LENGTH, route_fingerprint
from stacks.invariants.finding import Finding
from stacks.template_view import Resource, TemplateView, mapping, mappings, number

# After that, API Gateway answers 504 by itself.
_GATEWAY_TIMEOUT_SECONDS: Final = 29
_LAMBDA_TIMEOUT_SECONDS: Final = 3
_FINGERPRINT: Final = re.compile(rf"[0-9a-f]{{{FINGERPRINT_LENGTH}}}$")
_THROTTLES: Final = frozenset({"ThrottlingRateLimit", "ThrottlingBurstLimit"})


def deployment_has_all_methods(view: TemplateView) -> Iterator[Finding]:
    """A deployment is made after every method of its API: it is a snapshot of what is there."""
    methods = {method.logical_id for method in view.of_type("ApiGateway::Method")}
    for deployment in view.of_type("ApiGateway::Deployment"):
        if missing := sorted(methods - view.prerequisites(deployment.logical_id)):
            yield Finding(deployment.logical_id, f"may be made without {', '.join(missing)}: add them to DependsOn")


def deployment_follows_routes(view: TemplateView) -> Iterator[Finding]:
    """A deployment's logical id changes with the routes, or a change never reaches the stage."""
    wanted = route_fingerprint(mapping(view.template.get("Resources")))
    for deployment in view.of_type("ApiGateway::Deployment"):
        found = _FINGERPRINT.search(deployment.logical_id)
        if found is None or found[0] != wanted:
            message = f"its id does not follow the routes, so a change is never deployed: end it in {wanted}"
            yield Finding(deployment.logical_id, message)


def method_is_guarded(view: TemplateView) -> Iterator[Finding]:
    """Every method has an authorizer, but for the paths that are meant for everybody."""
    for method in view.of_type("ApiGateway::Method"):
        guarded = method.properties.get("AuthorizationType", "NONE") != "NONE"
        resource = view.referred(method.written("ResourceId"))
        is_open = resource is not None and f"/{resource.properties.get('PathPart')}" in OPEN_PATHS
        if not guarded and not is_open and method.properties.get("HttpMethod") != "OPTIONS":
            yield Finding(method.logical_id, "anybody can call it: give it an authorizer")


def function_may_be_called(view: TemplateView) -> Iterator[Finding]:
    """API Gateway has the permission to call the function behind a method, for its own API alone."""
    permitted = {
        name
        for permission in view.of_type("Lambda::Permission")
        if permission.properties.get("Principal") == "apigateway.amazonaws.com"
        and permission.properties.get("SourceArn")
        for name in view.references(permission.written("FunctionName"))
    }
    for function in _functions_behind_api(view):
        if function.logical_id not in permitted:
            yield Finding(function.logical_id, "API Gateway may not call it: add a Lambda permission with a SourceArn")


def function_answers_in_time(view: TemplateView) -> Iterator[Finding]:
    """A function behind the API ends before API Gateway gives up on it, and not long before."""
    for function in _functions_behind_api(view):
        seconds = number(function.properties.get("Timeout", _LAMBDA_TIMEOUT_SECONDS))
        if seconds > _GATEWAY_TIMEOUT_SECONDS or seconds <= _LAMBDA_TIMEOUT_SECONDS:
            message = f"Timeout is {seconds:g} s, API Gateway waits {_GATEWAY_TIMEOUT_SECONDS} s: give as much"
            yield Finding(function.logical_id, message)


def function_logs_are_kept(view: TemplateView) -> Iterator[Finding]:
    """A function writes JSON into a declared log group, which is there with its retention before the first line."""
    for function in view.of_type("Lambda::Function"):
        if function.at("LoggingConfig", "LogFormat") != "JSON":
            yield Finding(function.logical_id, "Lambda's own lines are not JSON: set LoggingConfig.LogFormat to JSON")
        group = view.referred(mapping(function.written("LoggingConfig")).get("LogGroup"))
        if group is None or group.type != "AWS::Logs::LogGroup":
            yield Finding(function.logical_id, "logs into a group without retention: name one in LoggingConfig")


def stage_is_throttled_and_logged(view: TemplateView) -> Iterator[Finding]:
    """A stage limits its requests, and writes access logs, which needs the account's role to be there first."""
    accounts = {account.logical_id for account in view.of_type("ApiGateway::Account")}
    for stage in view.of_type("ApiGateway::Stage"):
        if not any(each.keys() >= _THROTTLES for each in mappings(stage.properties.get("MethodSettings"))):
            yield Finding(stage.logical_id, f"has no limit of its own: set {' and '.join(sorted(_THROTTLES))}")
        if "AccessLogSetting" not in stage.properties:
            yield Finding(stage.logical_id, "nobody sees refused requests: set AccessLogSetting")
        elif accounts and not accounts & view.prerequisites(stage.logical_id):
            yield Finding(stage.logical_id, f"access logs need the account's role: DependsOn {', '.join(accounts)}")


def _functions_behind_api(view: TemplateView) -> list[Resource]:
    called = {
        name for method in view.of_type("ApiGateway::Method") for name in view.references(method.written("Integration"))
    }
    return [function for function in view.of_type("Lambda::Function") if function.logical_id in called]


INVARIANTS: Final = (
    deployment_has_all_methods,
    deployment_follows_routes,
    method_is_guarded,
    function_may_be_called,
    function_answers_in_time,
    function_logs_are_kept,
    stage_is_throttled_and_logged,
)
