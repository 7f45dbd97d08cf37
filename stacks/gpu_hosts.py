"""The GPU cluster's hosts: what each one is (launch template) and how many there are (Auto Scaling group)."""

from dataclasses import dataclass
from typing import Any, Final

from troposphere import (
    Equals,
    GetAtt,
    If,
    Not,
    NoValue,
    Or,
    Parameter,
    Ref,
    Sub,
    Template,
    autoscaling,
    ec2,
    iam,
)
from troposphere import Condition as ConditionOf
from troposphere.policies import AutoScalingScheduledAction, UpdatePolicy

from stacks import constants as c
from stacks import parameters, policies
from stacks.template import import_value, project_tags
from stacks.user_data import gpu_host_user_data

USES_SPOT: Final = "UsesSpot"
MIXED_INSTANCES: Final = "MixedInstances"
PUBLIC_IP_BY_SUBNET: Final = "PublicIpBySubnet"


@dataclass(frozen=True)
class HostParameters:
    """What an operator may choose about the hosts."""

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
    """The parameters, with the defaults of Phase 1."""
    return HostParameters(
        vpc=Parameter(
            "VpcId",
            Type="AWS::EC2::VPC::Id",
            Description="VPC of the hosts: the one of the existing CPU service, or the output VpcId of the network stack.",
            ConstraintDescription="Give the id of a VPC in this region, such as vpc-0123456789abcdef0.",
        ),
        subnets=Parameter(
            "SubnetIds",
            Type="List<AWS::EC2::Subnet::Id>",
            Description="Subnets of that VPC with a way out (NAT, or public addresses); one in each zone finds the most "
            "GPU capacity.",
            ConstraintDescription="Give ids of subnets of the VPC, separated by commas.",
        ),
        public_ip=parameters.choice(
            "AssignPublicIp",
            "Whether hosts get a public address: as the subnet says, or always (public subnets without NAT), or never. "
            "Nothing may connect to them either way.",
            choices=("subnet", "true", "false"),
            default="subnet",
            constraint="Give subnet, true or false.",
        ),
        instance_types=tuple(
            _instance_type(rank, preferred) for rank, preferred in enumerate(c.GPU_INSTANCE_TYPES, start=1)
        ),
        ami=Parameter(
            "GpuAmi",
            Type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            Description="Public or own SSM parameter that holds the id of an ECS-optimized GPU image.",
            Default=c.GPU_AMI_PARAMETER,
            AllowedPattern=r"^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$",
            ConstraintDescription=f"Give the name of an SSM parameter that holds an image id, such as {c.GPU_AMI_PARAMETER}.",
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
            "Hosts to start with; managed scaling takes over from there. 0 while the account has no GPU quota yet.",
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
            "Share of the further hosts that is on-demand; what is left of 100 is spot. 100 uses no spot at all.",
            default=c.ON_DEMAND_PERCENT_ABOVE_BASE,
            minimum=0,
            maximum=100,
            unit="percent",
        ),
    )


def _instance_type(rank: int, preferred: str) -> Parameter:
    if rank == 1:
        description = "Instance type that is launched where it can be had."
        choices, constraint = c.GPU_INSTANCE_TYPE_CHOICES, "Give an instance type with one NVIDIA GPU, such as g5.xlarge."
    else:
        description = f"Instance type number {rank}, for when the ones before it have no capacity; none for no such type."
        choices = (c.NO_INSTANCE_TYPE, *c.GPU_INSTANCE_TYPE_CHOICES)
        constraint = "Give an instance type with one NVIDIA GPU that is not given already, such as g5.xlarge, or none."
    title = "GpuInstanceType" if rank == 1 else f"GpuInstanceType{rank}"
    return parameters.choice(title, description, choices=choices, default=preferred, constraint=constraint)


def add_hosts(template: Template, chosen: HostParameters) -> autoscaling.AutoScalingGroup:
    """Add roles, security group, launch template and group. Returns the group."""
    others = chosen.instance_types[1:]
    for other in others:
        template.add_condition(_given(other), Not(Equals(Ref(other), c.NO_INSTANCE_TYPE)))
    template.add_condition(USES_SPOT, Not(Equals(Ref(chosen.on_demand_percent), str(100))))
    # One type, on-demand only, needs no policy: the group then has the plain form.
    template.add_condition(MIXED_INSTANCES, Or(ConditionOf(USES_SPOT), *(ConditionOf(_given(other)) for other in others)))
    template.add_condition(PUBLIC_IP_BY_SUBNET, Equals(Ref(chosen.public_ip), "subnet"))
    role = iam.Role(
        "HostRole", AssumeRolePolicyDocument=policies.trust("ec2"), Policies=[policies.gpu_host()], Tags=project_tags()
    )
    profile = iam.InstanceProfile("HostProfile", Roles=[Ref(role)])
    security_group = ec2.SecurityGroup(
        "HostSecurityGroup",
        GroupDescription="GPU hosts: nothing comes in, HTTPS goes out.",
        VpcId=Ref(chosen.vpc),
        SecurityGroupEgress=[
            ec2.SecurityGroupRule(
                Description="AWS APIs, the container repository and model downloads",
                IpProtocol="tcp",
                FromPort=443,
                ToPort=443,
                CidrIp="0.0.0.0/0",
            )
        ],
        Tags=project_tags(),
    )
    launch_template = _launch_template(chosen, profile, security_group)
    group = _group(chosen, launch_template)
    template.add_resource([role, profile, security_group, launch_template, group])
    return group


def _given(instance_type: Parameter) -> str:
    return f"Has{instance_type.title}"


def _launch_template(
    chosen: HostParameters, profile: iam.InstanceProfile, security_group: ec2.SecurityGroup
) -> ec2.LaunchTemplate:
    return ec2.LaunchTemplate(
        "LaunchTemplate",
        LaunchTemplateName=Sub(c.LAUNCH_TEMPLATE_NAME),
        LaunchTemplateData=ec2.LaunchTemplateData(
            ImageId=Ref(chosen.ami),
            InstanceType=Ref(chosen.instance_types[0]),
            IamInstanceProfile=ec2.IamInstanceProfile(Arn=GetAtt(profile, "Arn")),
            EbsOptimized=True,
            Monitoring=ec2.Monitoring(Enabled=True),
            MetadataOptions=ec2.MetadataOptions(
                HttpEndpoint="enabled", HttpTokens="required", HttpPutResponseHopLimit=c.METADATA_HOP_LIMIT
            ),
            NetworkInterfaces=[
                ec2.NetworkInterfaces(
                    DeviceIndex=0,
                    AssociatePublicIpAddress=If(PUBLIC_IP_BY_SUBNET, NoValue, Ref(chosen.public_ip)),
                    DeleteOnTermination=True,
                    Groups=[Ref(security_group)],
                )
            ],
            BlockDeviceMappings=[
                ec2.LaunchTemplateBlockDeviceMapping(
                    DeviceName=c.ROOT_DEVICE_NAME,
                    Ebs=ec2.EBSBlockDevice(
                        VolumeType=c.ROOT_VOLUME_TYPE,
                        VolumeSize=Ref(chosen.root_volume_gib),
                        Encrypted=True,
                        DeleteOnTermination=True,
                    ),
                )
            ],
            TagSpecifications=[
                ec2.TagSpecifications(ResourceType=kind, Tags=project_tags(Name=Sub("${Project}-gpu")))
                for kind in ("instance", "volume")
            ],
            UserData=gpu_host_user_data(),
        ),
    )


def _group(chosen: HostParameters, launch_template: ec2.LaunchTemplate) -> autoscaling.AutoScalingGroup:
    specification: dict[str, Any] = {
        "LaunchTemplateId": Ref(launch_template),
        "Version": GetAtt(launch_template, "LatestVersionNumber"),
    }
    first, *others = chosen.instance_types
    overrides: list[Any] = [
        autoscaling.LaunchTemplateOverrides(InstanceType=Ref(first)),
        *(If(_given(other), autoscaling.LaunchTemplateOverrides(InstanceType=Ref(other)), NoValue) for other in others),
    ]
    mixed = autoscaling.MixedInstancesPolicy(
        InstancesDistribution=autoscaling.InstancesDistribution(
            OnDemandAllocationStrategy="prioritized",
            OnDemandBaseCapacity=Ref(chosen.on_demand_base),
            OnDemandPercentageAboveBaseCapacity=Ref(chosen.on_demand_percent),
            SpotAllocationStrategy="price-capacity-optimized",
        ),
        LaunchTemplate=autoscaling.LaunchTemplate(
            LaunchTemplateSpecification=autoscaling.LaunchTemplateSpecification(**specification), Overrides=overrides
        ),
    )
    return autoscaling.AutoScalingGroup(
        "AutoScalingGroup",
        # An update of the stack must not undo what managed scaling has decided since.
        UpdatePolicy=UpdatePolicy(
            AutoScalingScheduledAction=AutoScalingScheduledAction(IgnoreUnmodifiedGroupSizeProperties=True)
        ),
        AutoScalingGroupName=Sub(c.AUTO_SCALING_GROUP_NAME),
        VPCZoneIdentifier=Ref(chosen.subnets),
        MinSize=Ref(chosen.minimum),
        DesiredCapacity=Ref(chosen.desired),
        MaxSize=Ref(chosen.maximum),
        MixedInstancesPolicy=If(MIXED_INSTANCES, mixed, NoValue),
        LaunchTemplate=If(MIXED_INSTANCES, NoValue, autoscaling.LaunchTemplateSpecification(**specification)),
        CapacityRebalance=If(USES_SPOT, True, False),
        HealthCheckType="EC2",
        HealthCheckGracePeriod=c.INSTANCE_WARMUP_SECONDS,
        # Protected hosts would keep the stack from ever being deleted.
        NewInstancesProtectedFromScaleIn=False,
        MetricsCollection=[autoscaling.MetricsCollection(Granularity="1Minute")],
        NotificationConfigurations=[
            autoscaling.NotificationConfigurations(
                TopicARN=import_value(c.EXPORT_ALERT_TOPIC_ARN),
                NotificationTypes=["autoscaling:EC2_INSTANCE_LAUNCH_ERROR"],
            )
        ],
        Tags=[
            autoscaling.Tag("gameforge:project", Ref("Project"), True),
            # ECS adds it by itself; without it here every update would take it away again.
            autoscaling.Tag("AmazonECSManaged", "true", True),
        ],
    )
