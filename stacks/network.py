"""The `network` stack, for teams that have no VPC: three zones, a way out, and free traffic to S3 and DynamoDB."""

from typing import Final

from troposphere import Cidr, Equals, GetAtt, GetAZs, If, Join, Not, Ref, Select, Sub, Template, ec2

from stacks import constants as c
from stacks import parameters
from stacks.template import add, export, new_template, project_tags

HAS_NAT: Final = "HasNatGateway"
HAS_NAT_IN_EACH_ZONE: Final = "HasNatGatewayInEachZone"


def build() -> Template:
    """The template."""
    vpc_cidr = parameters.text(
        "VpcCidr",
        "Private IPv4 range of the VPC; each subnet gets a part of it.",
        default=c.VPC_CIDR,
        pattern=r"^(10\.\d{1,3}|172\.(1[6-9]|2\d|3[01])|192\.168)\.\d{1,3}\.\d{1,3}/(1[6-9]|2[0-2])$",
        constraint="Give a private range of 1,024 to 65,536 addresses, such as 10.42.0.0/16.",
    )
    nat = parameters.choice(
        "NatGateways",
        "How private subnets reach the internet: one gateway, one in each zone, or none (then put the GPU hosts into "
        "the public subnets, with AssignPublicIp=true). A gateway costs about $33 a month.",
        choices=("one", "each-zone", "none"),
        default="one",
    )
    template = new_template(
        "network",
        "GameForge SDXL network: VPC, public and private subnets over three zones, endpoints for S3 and DynamoDB.",
        {"Project": [parameters.project()], "Network": [vpc_cidr, nat]},
    )
    template.add_condition(HAS_NAT, Not(Equals(Ref(nat), "none")))
    template.add_condition(HAS_NAT_IN_EACH_ZONE, Equals(Ref(nat), "each-zone"))
    vpc = ec2.VPC(
        "Vpc",
        CidrBlock=Ref(vpc_cidr),
        EnableDnsHostnames=True,
        EnableDnsSupport=True,
        Tags=project_tags(Name=Sub("${Project}")),
    )
    internet = ec2.InternetGateway("InternetGateway", Tags=project_tags(Name=Sub("${Project}")))
    attachment = ec2.VPCGatewayAttachment("InternetAttachment", VpcId=Ref(vpc), InternetGatewayId=Ref(internet))
    add(template, vpc, internet, attachment, export("VpcId", "Id of the VPC.", Ref(vpc), c.EXPORT_VPC))
    table = _add_route_table(template, "PublicRouteTable", "public")
    to_internet = ec2.Route(
        "InternetRoute",
        DependsOn=["InternetAttachment"],
        RouteTableId=Ref(table),
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=Ref(internet),
    )
    add(template, to_internet)
    for zone in range(c.ZONES):
        _add_subnet(template, "Public", zone, table)
    private_tables = [_add_private_zone(template, zone) for zone in range(c.ZONES)]
    for kind, suffix in (("Public", c.EXPORT_PUBLIC_SUBNETS), ("Private", c.EXPORT_PRIVATE_SUBNETS)):
        ids = Join(",", [Ref(f"{kind}Subnet{zone + 1}") for zone in range(c.ZONES)])
        add(template, export(f"{kind}SubnetIds", f"Ids of the {kind.lower()} subnets, one a zone.", ids, suffix))
    for service in ("s3", "dynamodb"):
        endpoint = ec2.VPCEndpoint(
            f"{'S3' if service == 's3' else 'DynamoDb'}Endpoint",
            VpcId=Ref(vpc),
            VpcEndpointType="Gateway",
            ServiceName=Sub(f"com.amazonaws.${{AWS::Region}}.{service}"),
            RouteTableIds=[Ref(each) for each in (table, *private_tables)],
            Tags=project_tags(),
        )
        add(template, endpoint)
    return template


def _add_route_table(template: Template, title: str, name: str) -> ec2.RouteTable:
    table = ec2.RouteTable(title, VpcId=Ref("Vpc"), Tags=project_tags(Name=Sub("${Project}-" + name)))
    add(template, table)
    return table


def _add_subnet(template: Template, kind: str, zone: int, table: ec2.RouteTable) -> None:
    index = zone if kind == "Public" else c.ZONES + zone
    subnet = ec2.Subnet(
        f"{kind}Subnet{zone + 1}",
        VpcId=Ref("Vpc"),
        AvailabilityZone=Select(zone, GetAZs("")),
        CidrBlock=Select(index, Cidr(Ref("VpcCidr"), 2 * c.ZONES, c.SUBNET_ADDRESS_BITS)),
        # A host asks for its public address by itself; nothing gets one by being here.
        MapPublicIpOnLaunch=False,
        Tags=project_tags(Name=Sub(f"${{Project}}-{kind.lower()}-{zone + 1}")),
    )
    association = ec2.SubnetRouteTableAssociation(
        f"{kind}Subnet{zone + 1}Routes", SubnetId=Ref(subnet), RouteTableId=Ref(table)
    )
    add(template, subnet, association)


def _add_private_zone(template: Template, zone: int) -> ec2.RouteTable:
    number = zone + 1
    table = _add_route_table(template, f"PrivateRouteTable{number}", f"private-{number}")
    _add_subnet(template, "Private", zone, table)
    # The first gateway serves all zones when there is only one.
    condition = HAS_NAT if zone == 0 else HAS_NAT_IN_EACH_ZONE
    address = ec2.EIP(
        f"NatAddress{number}", Condition=condition, DependsOn=["InternetAttachment"], Domain="vpc", Tags=project_tags()
    )
    gateway = ec2.NatGateway(
        f"NatGateway{number}",
        Condition=condition,
        AllocationId=GetAtt(address, "AllocationId"),
        SubnetId=Ref(f"PublicSubnet{number}"),
        Tags=project_tags(Name=Sub(f"${{Project}}-{number}")),
    )
    own, first = Ref(gateway), Ref("NatGateway1")
    route = ec2.Route(
        f"NatRoute{number}",
        Condition=HAS_NAT,
        RouteTableId=Ref(table),
        DestinationCidrBlock="0.0.0.0/0",
        NatGatewayId=own if zone == 0 else If(HAS_NAT_IN_EACH_ZONE, own, first),
    )
    add(template, address, gateway, route)
    return table
