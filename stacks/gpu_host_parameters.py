"""What an operator may choose about the GPU hosts, with the defaults of Phase 1."""

from dataclasses import dataclass

from troposphere import Parameter

from stacks import constants as c
from stacks import parameters


@dataclass(frozen=True)
class HostParameters:
    """The parameters; the first instance type is the preferred one."""

    vpc: Parameter
    subnets: Parameter
    public_ip: Parameter
    instance_types: tuple[Parameter, ...]
    ami: Parameter
    root_volume_gib: Parameter
    minimum: Parameter
    desired: Parameter
    maximum: Parameter
    on_demand_base: Parameter
    on_demand_percent: Parameter


def host_parameters() -> HostParameters:
    """All of them."""
    return HostParameters(
        vpc=Parameter(
            "VpcId",
            Type="AWS::EC2::VPC::Id",
            Description="VPC of the hosts: the one of the existing CPU service, or output VpcId of the network stack.",
            ConstraintDescription="Give the id of a VPC in this region, such as vpc-0123456789abcdef0.",
        ),
        subnets=Parameter(
            "SubnetIds",
            Type="List<AWS::EC2::Subnet::Id>",
            Description="Subnets of that VPC with a way out (NAT, or public addresses). One in each zone finds the "
            "most GPU capacity.",
            ConstraintDescription="Give ids of subnets of the VPC, separated by commas.",
        ),
        public_ip=parameters.choice(
            "AssignPublicIp",
            "Whether hosts get a public address: as the subnet says; true, in public subnets without NAT; or false. "
            "Nothing may connect to them either way.",
            choices=("subnet", "true", "false"),
            default="subnet",
        ),
        instance_types=tuple(
            _instance_type(rank, preferred) for rank, preferred in enumerate(c.GPU_INSTANCE_TYPES, start=1)
        ),
        ami=Parameter(
            "GpuAmi",
            Type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            Description="SSM parameter, public or your own, that holds the id of an ECS-optimized GPU image.",
            Default=c.GPU_AMI_PARAMETER,
            AllowedPattern=r"^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$",
            ConstraintDescription=f"Give the name of an SSM parameter, such as {c.GPU_AMI_PARAMETER}.",
        ),
        root_volume_gib=parameters.number(
            "RootVolumeGiB",
            "Size of a host's root volume, which holds the container image.",
            default=c.ROOT_VOLUME_GIB,
            minimum=60,
            maximum=1000,
            unit="GiB",
        ),
        minimum=parameters.number(
            "MinInstances",
            "Hosts that stay even without work; each one costs its hourly price around the clock.",
            default=c.INSTANCES_MIN,
            minimum=0,
            maximum=20,
        ),
        desired=parameters.number(
            "DesiredInstances",
            "Hosts to start with, from MinInstances to MaxInstances; managed scaling takes over from there. 0 while "
            "the account has no GPU quota: making the stack can fail with its first host.",
            default=c.INSTANCES_DESIRED,
            minimum=0,
            maximum=20,
        ),
        maximum=parameters.number(
            "MaxInstances",
            "Hosts at most. Each takes its type's vCPUs from the GPU quota, 4 for a g4dn.xlarge.",
            default=c.INSTANCES_MAX,
            minimum=1,
            maximum=20,
        ),
        on_demand_base=parameters.number(
            "OnDemandBase",
            "Hosts that are on-demand before any spot host is added.",
            default=c.ON_DEMAND_BASE_INSTANCES,
            minimum=0,
            maximum=20,
        ),
        on_demand_percent=parameters.number(
            "OnDemandPercentAboveBase",
            "Share of the further hosts that is on-demand; the rest is spot. 100 uses no spot at all.",
            default=c.ON_DEMAND_PERCENT_ABOVE_BASE,
            minimum=0,
            maximum=100,
            unit="percent",
        ),
    )


def _instance_type(rank: int, preferred: str) -> Parameter:
    """A pattern and not a list of values: with lists, cloudformation-validate gives up on all their combinations."""
    one_gpu = rf"({'|'.join(c.GPU_INSTANCE_FAMILIES)})\.({'|'.join(c.GPU_INSTANCE_SIZES)})"
    example = f"{', '.join(c.GPU_INSTANCE_FAMILIES[:-1])} or {c.GPU_INSTANCE_FAMILIES[-1]}, such as g5.xlarge"
    if rank == 1:
        return parameters.text(
            "GpuInstanceType",
            "Instance type of the hosts.",
            default=preferred,
            pattern=f"^{one_gpu}$",
            constraint=f"Give a type with one NVIDIA GPU of the families {example}.",
        )
    return parameters.text(
        f"GpuInstanceType{rank}",
        f"Instance type number {rank}, for when the ones before it have no capacity; none for no such type.",
        default=preferred,
        pattern=f"^({c.NO_INSTANCE_TYPE}|{one_gpu})$",
        constraint=f"Give another type with one NVIDIA GPU of the families {example}, or {c.NO_INSTANCE_TYPE}.",
    )
