"""Invariants of a VPC: its subnets lie in different zones and ranges, and what needs the internet waits for it."""

import json
from collections.abc import Iterator
from typing import Final

from stacks.invariants.finding import Finding
from stacks.template_view import TemplateView, is_true

_ZONES_MIN: Final = 3


def subnets_span_zones(view: TemplateView) -> Iterator[Finding]:
    """Public and private subnets each lie in three zones: GPUs run out by zone."""
    kinds: dict[str, set[str]] = {}
    for subnet in view.of_type("EC2::Subnet"):
        zone = json.dumps(subnet.written("AvailabilityZone"), sort_keys=True)
        kinds.setdefault(_kind(subnet.logical_id), set()).add(zone)
    for kind, zones in kinds.items():
        if len(zones) < _ZONES_MIN:
            yield Finding(f"{kind}*", f"lie in {len(zones)} zones, and GPUs run out by zone: spread over {_ZONES_MIN}")


def subnets_have_own_ranges(view: TemplateView) -> Iterator[Finding]:
    """No two subnets have the same range."""
    seen: dict[str, str] = {}
    for subnet in view.of_type("EC2::Subnet"):
        block = json.dumps(subnet.written("CidrBlock"), sort_keys=True)
        if block in seen:
            yield Finding(subnet.logical_id, f"has the range of {seen[block]}: give it another one")
        seen.setdefault(block, subnet.logical_id)


def subnets_give_no_addresses(view: TemplateView) -> Iterator[Finding]:
    """No subnet gives a public address to whatever is put into it."""
    for subnet in view.of_type("EC2::Subnet"):
        if is_true(subnet.properties.get("MapPublicIpOnLaunch")):
            yield Finding(subnet.logical_id, "what is put into it becomes public: set MapPublicIpOnLaunch to false")


def internet_comes_first(view: TemplateView) -> Iterator[Finding]:
    """Routes to an internet gateway, and public addresses, are made after the gateway is attached."""
    attachments = {each.logical_id for each in view.of_type("EC2::VPCGatewayAttachment")}
    routes = [route for route in view.of_type("EC2::Route") if view.references(route.written("GatewayId"))]
    for waiting in (*routes, *view.of_type("EC2::EIP")):
        if attachments and not attachments & view.prerequisites(waiting.logical_id):
            yield Finding(
                waiting.logical_id, f"fails before the gateway is attached: DependsOn {', '.join(attachments)}"
            )


def _kind(logical_id: str) -> str:
    """`PublicSubnet` for `PublicSubnet2`."""
    return logical_id.rstrip("0123456789")


INVARIANTS: Final = (
    subnets_span_zones,
    subnets_have_own_ranges,
    subnets_give_no_addresses,
    internet_comes_first,
)
