"""All checks, in an order in which each builds on the ones before."""

from collections.abc import Iterator
from typing import Any

from gameforge.aws_errors import AwsError
from gameforge.doctor import account, ami, capacity, network
from gameforge.doctor.fleet import Fleet, network_to_be_made, planned_fleet
from gameforge.doctor.result import Mark, Result, attempt
from gameforge.system import System

# The network stack's subnets are in the first zones of the region.
NETWORK_STACK_ZONES = 3


def examine(system: System) -> Iterator[Result]:
    """Check whether `gameforge deploy` with the same settings could work; yields each result as it is known."""
    client = system.aws.client
    who = account.identity(client("sts"))
    yield who
    if who.mark is Mark.FAIL:
        return
    ec2 = client("ec2")
    regions = attempt("region", lambda: account.region(ec2, system.aws.region), service="ec2")
    yield from regions
    if any(each.mark is Mark.FAIL for each in regions):
        return
    fleets: list[Fleet] = []
    plan = attempt("network", lambda: _plan(system, fleets), service="cloudformation", if_denied=Mark.FAIL)
    yield from plan
    if not fleets:
        return
    (fleet,) = fleets
    yield from _network_and_zones(ec2, fleet)
    yield from _capacity(system, ec2, fleet)
    yield from attempt(
        ami.NAME, lambda: ami.machine_image(client("ssm"), ec2, fleet.ami_parameter), service="ssm", if_denied=Mark.FAIL
    )
    yield from attempt(
        "service-linked roles",
        lambda: account.service_linked_roles(client("iam"), spot=fleet.spot_max > 0),
        service="iam",
    )


def _plan(system: System, fleets: list[Fleet]) -> Iterator[Result]:
    try:
        fleet = planned_fleet(system)
    except AwsError as error:
        yield Result("network", Mark.FAIL, str(error))
        return
    fleets.append(fleet)
    if network_to_be_made(system):
        yield Result("network", Mark.PASS, "the network stack makes one, with a way out")
    else:
        yield Result("network", Mark.PASS, f"{fleet.vpc_id} with {', '.join(fleet.subnet_ids)}")


def _network_and_zones(ec2: Any, fleet: Fleet) -> Iterator[Result]:
    zones: list[str] = []

    def look_at_subnets() -> Iterator[Result]:
        subnets, wrong = network.find_subnets(ec2, fleet)
        zones.extend(sorted({subnet["AvailabilityZone"] for subnet in subnets}))
        yield from wrong
        if not wrong:
            yield from network.ways_out(ec2, fleet, subnets)

    def look_at_first_zones() -> Iterator[Result]:
        found = ec2.describe_availability_zones(Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}])
        zones.extend(sorted(zone["ZoneName"] for zone in found["AvailabilityZones"])[:NETWORK_STACK_ZONES])
        yield from ()

    yield from attempt("subnets", look_at_subnets if fleet.subnet_ids else look_at_first_zones, service="ec2")
    if zones:
        yield from attempt("zones", lambda: capacity.offerings(ec2, fleet, zones), service="ec2")


def _capacity(system: System, ec2: Any, fleet: Fleet) -> Iterator[Result]:
    vcpus: dict[str, int] = {}

    def look_at_types() -> Iterator[Result]:
        vcpus.update(capacity.instance_types(ec2, fleet))
        yield from capacity.types_in_region(fleet, vcpus)

    yield from attempt("instance types", look_at_types, service="ec2")
    quotas, region = system.aws.client("service-quotas"), system.aws.region
    for need in capacity.needs(fleet, vcpus):
        yield from attempt(
            f"GPU quota, {need.kind}",
            lambda need=need: capacity.gpu_quota(quotas, need, region),  # type: ignore[misc]
            service="service-quotas",
        )
    if fleet.spot_max:
        yield from attempt("spot placement", lambda: capacity.spot_score(ec2, fleet, region), service="ec2")
