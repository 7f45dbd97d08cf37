"""Checks of the network: hosts that can't reach ECS, the container repository and the queue never do any work."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from gameforge.aws_errors import code_of
from gameforge.doctor.fleet import Fleet
from gameforge.doctor.result import Mark, Result

# What a host and its worker speak to. These two have to be of the gateway type: container layers come that way from S3.
GATEWAY_ENDPOINTS: Final = ("dynamodb", "s3")
ENDPOINTS_NEEDED: Final = ("ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs", "sqs", *GATEWAY_ENDPOINTS)
_ANYWHERE: Final = "0.0.0.0/0"

Subnet = dict[str, Any]


def find_subnets(ec2: Any, fleet: Fleet) -> tuple[list[Subnet], list[Result]]:
    """The chosen subnets as EC2 describes them, and a failure if some are not there or in another VPC."""
    try:
        subnets = ec2.describe_subnets(SubnetIds=list(fleet.subnet_ids))["Subnets"]
    except ClientError as error:
        if code_of(error) != "InvalidSubnetID.NotFound":
            raise
        return [], [_wrong_subnets(str(error.response["Error"]["Message"]))]
    strangers = sorted(each["SubnetId"] for each in subnets if each["VpcId"] != fleet.vpc_id)
    if strangers:
        return subnets, [_wrong_subnets(f"{', '.join(strangers)} not in {fleet.vpc_id}")]
    return subnets, []


def _wrong_subnets(message: str) -> Result:
    return Result("subnets", Mark.FAIL, message, "give --vpc-id and --subnet-ids of one VPC in this region")


def ways_out(ec2: Any, fleet: Fleet, subnets: Sequence[Subnet]) -> Iterator[Result]:
    """For each subnet, whether a host in it can reach AWS."""
    by_vpc = [{"Name": "vpc-id", "Values": [fleet.vpc_id]}]
    tables = [
        table
        for page in ec2.get_paginator("describe_route_tables").paginate(Filters=by_vpc)
        for table in page["RouteTables"]
    ]
    for subnet in subnets:
        table = _table_of(subnet["SubnetId"], tables)
        route = next((each for each in table.get("Routes", ()) if each.get("DestinationCidrBlock") == _ANYWHERE), None)
        name = f"way out of {subnet['SubnetId']}"
        if route is None:
            yield _endpoints(ec2, fleet, name, str(table.get("RouteTableId")))
        else:
            yield default_route(name, route, subnet, fleet)


def _table_of(subnet_id: str, tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The subnet's own route table, or else the VPC's main one."""
    main: dict[str, Any] = {}
    for table in tables:
        for association in table["Associations"]:
            if association.get("SubnetId") == subnet_id:
                return table
            if association.get("Main"):
                main = table
    return main


def default_route(name: str, route: dict[str, Any], subnet: Subnet, fleet: Fleet) -> Result:
    """Whether this default route takes a host of the subnet to AWS."""
    if route.get("State") == "blackhole":
        fix = "repair the default route of its route table, or take another subnet"
        return Result(name, Mark.FAIL, "its default route leads to something that is gone", fix)
    if nat := route.get("NatGatewayId"):
        return Result(name, Mark.PASS, f"through {nat}")
    gateway = route.get("GatewayId", "")
    if gateway.startswith("igw-"):
        public = fleet.assign_public_ip == "true" or (
            fleet.assign_public_ip == "subnet" and subnet["MapPublicIpOnLaunch"]
        )
        if public:
            return Result(name, Mark.PASS, f"through {gateway}, with a public address")
        fix = 'set AssignPublicIp = "true" under [gpu-cluster] in deploy.toml, or take a subnet with NAT'
        return Result(name, Mark.FAIL, f"{gateway} is of no use to a host without a public address", fix)
    kinds = ("TransitGatewayId", "NetworkInterfaceId", "InstanceId", "VpcPeeringConnectionId", "LocalGatewayId")
    target = gateway or next((route[kind] for kind in kinds if kind in route), "an unknown target")
    return Result(name, Mark.WARN, f"through {target}; where that leads can't be seen from here")


def _endpoints(ec2: Any, fleet: Fleet, name: str, table_id: str) -> Result:
    """Without a default route, endpoints have to lead to every service that is used."""
    filters = [
        {"Name": "vpc-id", "Values": [fleet.vpc_id]},
        {"Name": "vpc-endpoint-state", "Values": ["available"]},
    ]
    pages = ec2.get_paginator("describe_vpc_endpoints").paginate(Filters=filters)
    there = set()
    for endpoint in (endpoint for page in pages for endpoint in page["VpcEndpoints"]):
        # com.amazonaws.REGION.SERVICE, and a service's name may have dots itself.
        service = endpoint["ServiceName"].split(".", 3)[-1]
        if service not in GATEWAY_ENDPOINTS or table_id in endpoint.get("RouteTableIds", ()):
            there.add(service)
    if missing := [service for service in ENDPOINTS_NEEDED if service not in there]:
        fix = f"route it through NAT, or make VPC endpoints for {', '.join(missing)}; or use --with-network"
        what = "no default route, and endpoints are missing" if there else "no default route and no endpoints"
        return Result(name, Mark.FAIL, what, fix)
    if not fleet.model.startswith(("s3://", "/")):
        fix = 'copy the model into the models bucket, and set Model = "s3://..." under [gpu-cluster] in deploy.toml'
        return Result(name, Mark.FAIL, f"VPC endpoints only, and the model {fleet.model} comes from the internet", fix)
    return Result(name, Mark.PASS, "through VPC endpoints")
