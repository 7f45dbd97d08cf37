"""Two EC2 resource types that the emulator's CloudFormation lacks, over its own EC2 API: addresses and NAT gateways."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ministack.services import ec2

Properties = dict[str, Any]
Attributes = dict[str, Any]


class Ec2Error(Exception):
    """The emulated EC2 refused; CloudFormation shows the text as the resource's failure."""


def _call(operation: Callable[[dict[str, list[str]]], Any], **parameters: str | None) -> str:
    status, _, body = operation({name: [value] for name, value in parameters.items() if value is not None})
    text: str = body.decode() if isinstance(body, bytes) else body
    if status >= 400:
        raise Ec2Error(_element(text, "Message"))
    return text


def _element(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", xml)
    if found is None:
        raise Ec2Error(f"the emulator's answer has no {name}: {xml}")
    return found.group(1)


def _create_address(logical_id: str, properties: Properties, stack: str) -> tuple[str, Attributes]:
    answer = _call(ec2._allocate_address, Domain=properties.get("Domain"))
    address, allocation_id = _element(answer, "publicIp"), _element(answer, "allocationId")
    return address, {"AllocationId": allocation_id, "PublicIp": address}


def _find_address(address: str) -> str | None:
    addresses: Any = ec2._addresses
    return next((key for key, each in addresses.items() if each["PublicIp"] == address), None)


def _update_address(address: str, old: Properties, new: Properties, stack: str) -> tuple[str, Attributes]:
    return address, {"AllocationId": _find_address(address), "PublicIp": address}


def _delete_address(address: str, properties: Properties) -> None:
    if allocation_id := _find_address(address):
        _call(ec2._release_address, AllocationId=allocation_id)


def _create_nat(logical_id: str, properties: Properties, stack: str) -> tuple[str, Attributes]:
    wanted = {name: properties.get(name) for name in ("SubnetId", "AllocationId", "ConnectivityType")}
    nat_id = _element(_call(ec2._create_nat_gateway, **wanted), "natGatewayId")
    return nat_id, {"NatGatewayId": nat_id}


def _update_nat(nat_id: str, old: Properties, new: Properties, stack: str) -> tuple[str, Attributes]:
    return nat_id, {"NatGatewayId": nat_id}


def _delete_nat(nat_id: str, properties: Properties) -> None:
    _call(ec2._delete_nat_gateway, NatGatewayId=nat_id)


HANDLERS: Final[Mapping[str, dict[str, Callable[..., Any]]]] = {
    "AWS::EC2::EIP": {"create": _create_address, "update": _update_address, "delete": _delete_address},
    "AWS::EC2::NatGateway": {"create": _create_nat, "update": _update_nat, "delete": _delete_nat},
}
