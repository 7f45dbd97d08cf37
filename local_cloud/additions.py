"""What the emulator lacks: seven CloudFormation resource types, alarms on metric math, the public parameter of the ECS
GPU AMI, API Gateway's own answer when a function fails, and haste with a function that logs nothing.

The ECS and EC2 types call the emulator's own APIs; the others are records. Checked against each emulator release by
`tests/local_cloud/test_additions.py`.
"""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.core.responses import new_uuid
from ministack.services import apigateway_v1, ecs, ssm
from ministack.services.cloudformation import provisioners

from jobs import names
from local_cloud import ec2_additions

GPU_AMI_PARAMETER: Final = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
GPU_AMI_ID: Final = "ami-0ec5000000000a900"

ALARM: Final = "AWS::CloudWatch::Alarm"

Properties = dict[str, Any]
Attributes = dict[str, Any]


class ProvisioningError(Exception):
    """The emulated service refused; CloudFormation shows the text as the resource's failure."""


def _call_ecs(operation: Callable[[Properties], Any], data: Properties) -> Attributes:
    status, _, body = operation(data)
    answer: Attributes = json.loads(body)
    if status >= 400:
        raise ProvisioningError(str(answer.get("message", answer)))
    return answer


def _camel(value: Any) -> Any:
    """CloudFormation's PascalCase names as the ECS API's camelCase ones."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _camel(inner) for key, inner in value.items()}
    return [_camel(inner) for inner in value] if isinstance(value, list) else value


def _group_provider(properties: Properties) -> Properties:
    provider: Properties = _camel(properties["AutoScalingGroupProvider"])
    scaling = provider.get("managedScaling", {})
    for name in ("targetCapacity", "minimumScalingStepSize", "maximumScalingStepSize", "instanceWarmupPeriod"):
        if name in scaling:
            scaling[name] = int(scaling[name])
    return provider


def _create_capacity_provider(logical_id: str, properties: Properties, stack: str) -> tuple[str, Attributes]:
    name = properties.get("Name") or f"{stack}-{logical_id}-{new_uuid()[:8]}"
    data = {
        "name": name,
        "autoScalingGroupProvider": _group_provider(properties),
        "tags": _camel(properties.get("Tags", [])),
    }
    provider = _call_ecs(ecs._create_capacity_provider, data)["capacityProvider"]
    return name, {"Arn": provider["capacityProviderArn"]}


def _update_capacity_provider(physical_id: str, old: Properties, new: Properties, stack: str) -> tuple[str, Attributes]:
    data = {"name": physical_id, "autoScalingGroupProvider": _group_provider(new)}
    provider = _call_ecs(ecs._update_capacity_provider, data)["capacityProvider"]
    return physical_id, {"Arn": provider["capacityProviderArn"]}


def _delete_capacity_provider(physical_id: str, properties: Properties) -> None:
    _call_ecs(ecs._delete_capacity_provider, {"capacityProvider": physical_id})


def _put_association(logical_id: str, properties: Properties, stack: str) -> tuple[str, Attributes]:
    known = {provider["name"] for provider in _call_ecs(ecs._describe_capacity_providers, {})["capacityProviders"]}
    wanted = properties["CapacityProviders"]
    if missing := sorted(set(wanted) - known):
        raise ProvisioningError(f"The specified capacity provider does not exist: {', '.join(missing)}")
    strategy = _camel(properties["DefaultCapacityProviderStrategy"])
    data = {
        "cluster": properties["Cluster"],
        "capacityProviders": wanted,
        "defaultCapacityProviderStrategy": [
            {**item, **{name: int(item[name]) for name in ("base", "weight") if name in item}} for item in strategy
        ],
    }
    _call_ecs(ecs._put_cluster_capacity_providers, data)
    return properties["Cluster"], {}


def _update_association(physical_id: str, old: Properties, new: Properties, stack: str) -> tuple[str, Attributes]:
    return _put_association(physical_id, new, stack)


def _delete_association(physical_id: str, properties: Properties) -> None:
    data = {"cluster": physical_id, "capacityProviders": [], "defaultCapacityProviderStrategy": []}
    _call_ecs(ecs._put_cluster_capacity_providers, data)


def _record(
    physical_id_of: Callable[[Properties], str], attributes_of: Callable[[str, Properties], Attributes]
) -> dict[str, Callable[..., Any]]:
    """Handlers of a type that the emulator only has to remember."""

    def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, Attributes]:
        physical_id = physical_id_of(properties)
        return physical_id, attributes_of(physical_id, properties)

    def update(physical_id: str, old: Properties, new: Properties, stack: str) -> tuple[str, Attributes]:
        return physical_id, attributes_of(physical_id, new)

    def delete(physical_id: str, properties: Properties) -> None:
        """Nothing to undo: the stack's own record is all there is."""

    return {"create": create, "update": update, "delete": delete}


def _target_id(properties: Properties) -> str:
    parts = (properties["ResourceId"], properties["ScalableDimension"], properties["ServiceNamespace"])
    return "|".join(parts)


def _policy_arn(properties: Properties) -> str:
    return (
        f"arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:{new_uuid()}:policyName/{properties['PolicyName']}"
    )


def _alarm_arn(name: str) -> str:
    return f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}"


def _with_metric_math(known: dict[str, Any]) -> dict[str, Any]:
    """The handlers of alarms, where those on metric math, which the emulator refuses, are records."""
    record = _record(
        lambda properties: str(properties["AlarmName"]), lambda name, properties: {"Arn": _alarm_arn(name)}
    )

    def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, Attributes]:
        handlers = record if "Metrics" in properties else known
        created: tuple[str, Attributes] = handlers["create"](logical_id, properties, stack)
        return created

    def update(
        physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> tuple[str, Attributes]:
        if "Metrics" in new:
            delete(physical_id, old)
            return create(logical_id, new, stack)
        updated: tuple[str, Attributes] = known["update"](physical_id, old, new, stack, logical_id)
        return updated

    def delete(physical_id: str, properties: Properties) -> None:
        (record if "Metrics" in properties else known)["delete"](physical_id, properties)

    return {**known, "create": create, "update": update, "delete": delete}


_HANDLERS: Final[dict[str, dict[str, Callable[..., Any]]]] = {
    **ec2_additions.HANDLERS,
    "AWS::ECS::CapacityProvider": {
        "create": _create_capacity_provider,
        "update": _update_capacity_provider,
        "delete": _delete_capacity_provider,
    },
    "AWS::ECS::ClusterCapacityProviderAssociations": {
        "create": _put_association,
        "update": _update_association,
        "delete": _delete_association,
    },
    "AWS::Logs::QueryDefinition": _record(
        lambda properties: new_uuid(), lambda physical_id, properties: {"QueryDefinitionId": physical_id}
    ),
    "AWS::ApplicationAutoScaling::ScalableTarget": _record(
        _target_id, lambda physical_id, properties: {"Id": physical_id}
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": _record(
        _policy_arn, lambda physical_id, properties: {"Arn": physical_id}
    ),
}


def _with_gateway_response(invoke: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """API Gateway's own answer to a proxied function that fails; the emulator shows the function's error instead."""

    async def invoke_proxy(*arguments: Any, **named: Any) -> Any:
        answer = await invoke(*arguments, **named)
        failed = isinstance(answer, tuple) and answer[0] == HTTPStatus.BAD_GATEWAY
        if failed and json.loads(answer[2]).keys() == {"message"}:
            return apigateway_v1._GatewayError("DEFAULT_5XX", "Internal server error")  # type: ignore[no-untyped-call]
        return answer

    return invoke_proxy


def _without_waiting_for_silence(drain: Callable[..., str]) -> Callable[..., str]:
    """The emulator waits 50 ms for the first log line of a function; the authorizer, asked each time, writes none."""

    def drain_bounded(worker: Any, **waits: float) -> str:
        if worker.config.get("Handler") == names.AUTHORIZER_HANDLER:
            waits["first_line_wait"] = 0.0
        return drain(worker, **waits)

    return drain_bounded


def install() -> None:
    """Teach the emulator, in this process, what it lacks. Raises `RuntimeError` if a newer one knows it already."""
    known = sorted(set(_HANDLERS) & set(provisioners._RESOURCE_HANDLERS))
    if known:
        raise RuntimeError(f"the emulator knows {', '.join(known)} by itself now: drop them from local_cloud/additions")
    provisioners._RESOURCE_HANDLERS.update(_HANDLERS)
    provisioners._RESOURCE_HANDLERS[ALARM] = _with_metric_math(
        provisioners._RESOURCE_HANDLERS[ALARM]  # type: ignore[arg-type]
    )
    invoke = apigateway_v1._invoke_lambda_proxy_v1
    apigateway_v1._invoke_lambda_proxy_v1 = _with_gateway_response(invoke)  # type: ignore[assignment]
    drain = lambda_runtime.Worker._drain_stderr_bounded
    lambda_runtime.Worker._drain_stderr_bounded = _without_waiting_for_silence(drain)  # type: ignore[method-assign]
    ssm._PUBLIC_AMI_PARAMETERS[GPU_AMI_PARAMETER] = GPU_AMI_ID
