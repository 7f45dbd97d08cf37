"""Checks of capacity: instance types, quotas in vCPUs, what each zone offers, and how likely spot is."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from gameforge.aws_errors import code_of
from gameforge.doctor.fleet import Fleet
from gameforge.doctor.result import Mark, Result

# AWS's codes: "Running On-Demand G and VT instances", "All G and VT Spot Instance Requests". Both count vCPUs.
ON_DEMAND_QUOTA: Final = "L-DB2E81BA"
SPOT_QUOTA: Final = "L-3819A6DF"
# Scores go from 1 to 10.
SPOT_SCORE_GOOD: Final = 5
_OPEN_REQUESTS: Final = frozenset({"PENDING", "CASE_OPENED"})


@dataclass(frozen=True)
class Need:
    """How many instances of one kind there may be at once, and what one takes: `vcpus_min` to `vcpus_max`."""

    kind: str
    quota_code: str
    instances: int
    vcpus_min: int
    vcpus_max: int

    @property
    def vcpus(self) -> int:
        """What the quota must be for all of them, of the largest type."""
        return self.instances * self.vcpus_max


def instance_types(ec2: Any, fleet: Fleet) -> dict[str, int]:
    """vCPUs of each chosen type that this region has."""
    pages = ec2.get_paginator("describe_instance_types").paginate(
        Filters=[{"Name": "instance-type", "Values": list(fleet.instance_types)}]
    )
    found = {
        each["InstanceType"]: int(each["VCpuInfo"]["DefaultVCpus"]) for page in pages for each in page["InstanceTypes"]
    }
    return {name: found[name] for name in fleet.instance_types if name in found}


def types_in_region(fleet: Fleet, vcpus: Mapping[str, int]) -> Iterator[Result]:
    """Whether the region has the chosen types, with their vCPUs as `instance_types` found them."""
    if missing := [name for name in fleet.instance_types if name not in vcpus]:
        yield Result(
            "instance types",
            Mark.FAIL,
            f"this region has no {', '.join(missing)}, and AWS may refuse a group that names it",
            "choose other types, or none, for GpuInstanceType and the ones after it, under [gpu-cluster] in "
            "deploy.toml; or choose another region",
        )
    else:
        listed = ", ".join(f"{name} ({count} vCPUs)" for name, count in vcpus.items())
        yield Result("instance types", Mark.PASS, listed)


def needs(fleet: Fleet, vcpus: Mapping[str, int]) -> list[Need]:
    """What the group may ask for, on-demand and spot."""
    sizes = vcpus.values()
    kinds = (("on-demand", ON_DEMAND_QUOTA, fleet.on_demand_max), ("spot", SPOT_QUOTA, fleet.spot_max))
    return [Need(kind, code, count, min(sizes), max(sizes)) for kind, code, count in kinds if count and sizes]


def gpu_quota(quotas: Any, need: Need, region: str) -> Iterator[Result]:
    """The account's GPU quota against what the group may ask for."""
    name = f"GPU quota, {need.kind}"
    limit = _quota_vcpus(quotas, need.quota_code)
    has = f"{limit} vCPUs of {need.quota_code} for {need.instances} instances of up to {need.vcpus_max} ({need.vcpus})"
    if limit >= need.vcpus:
        yield Result(name, Mark.PASS, has)
        return
    asked = _open_request_vcpus(quotas, need.quota_code)
    if asked is not None:
        fix = f"wait: {asked} vCPUs have been asked for, and AWS has not answered yet"
    else:
        fix = (
            f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {need.quota_code} "
            f"--desired-value {need.vcpus} --region {region}"
        )
    if limit < need.vcpus_min:
        fix += "; until then, DesiredInstances = 0 under [gpu-cluster] in deploy.toml lets the stacks be deployed"
        yield Result(name, Mark.FAIL, f"{has}: not one instance can start", fix)
    else:
        yield Result(name, Mark.WARN, f"{has}: fewer can start", fix)


def _quota_vcpus(quotas: Any, code: str) -> int:
    try:
        found = quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)
    except ClientError as error:
        if code_of(error) != "NoSuchResourceException":
            raise
        # An account that never had it changed has AWS's default.
        found = quotas.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=code)
    return int(found["Quota"]["Value"])


def _open_request_vcpus(quotas: Any, code: str) -> int | None:
    found = quotas.list_requested_service_quota_change_history_by_quota(ServiceCode="ec2", QuotaCode=code)
    values = [int(each["DesiredValue"]) for each in found["RequestedQuotas"] if each["Status"] in _OPEN_REQUESTS]
    return max(values, default=None)


def offerings(ec2: Any, fleet: Fleet, zones: Collection[str]) -> Iterator[Result]:
    """Which chosen types each of `zones` offers; offering is not having: capacity can still be short."""
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": list(fleet.instance_types)}],
    )
    offered: dict[str, set[str]] = {}
    for page in pages:
        for each in page["InstanceTypeOfferings"]:
            offered.setdefault(each["Location"], set()).add(each["InstanceType"])
    nowhere = not any(offered.get(zone) for zone in zones)
    for zone in zones:
        types = [name for name in fleet.instance_types if name in offered.get(zone, ())]
        if types:
            yield Result(f"zone {zone}", Mark.PASS, f"offers {', '.join(types)}")
            continue
        others = ", ".join(sorted(offered.keys() - set(zones)))
        fix = f"take subnets in {others}" if others else "choose other types, or another region"
        yield Result(f"zone {zone}", Mark.FAIL if nowhere else Mark.WARN, "offers none of the chosen types", fix)


def spot_score(ec2: Any, fleet: Fleet, region: str) -> Iterator[Result]:
    """How likely AWS thinks it is that the spot instances can be had in this region."""
    found = ec2.get_spot_placement_scores(
        InstanceTypes=list(fleet.instance_types), TargetCapacity=fleet.spot_max, RegionNames=[region]
    )["SpotPlacementScores"]
    score = max((int(each["Score"]) for each in found), default=0)
    message = f"{score} of 10 for {fleet.spot_max} spot instances now"
    if score >= SPOT_SCORE_GOOD:
        yield Result("spot placement", Mark.PASS, message)
    else:
        yield Result("spot placement", Mark.WARN, message, "add instance types, or raise OnDemandBase, in deploy.toml")
