"""The GPU hosts: what each one is (launch template) and how many there are (Auto Scaling group)."""

from itertools import combinations
from typing import Any, Final

from troposphere import Condition, Equals, GetAtt, If, Not, NoValue, Or, Parameter, Ref, Sub, Template, ec2, iam
from troposphere import autoscaling as asg
from troposphere.policies import AutoScalingScheduledAction, UpdatePolicy

from stacks import constants as c
from stacks import policies, role_policies
from stacks.gpu_host_parameters import HostParameters
from stacks.template import add, project_tags
from stacks.user_data import gpu_host_user_data

USES_SPOT: Final = "UsesSpot"
MIXED_INSTANCES: Final = "MixedInstances"
PUBLIC_IP_BY_SUBNET: Final = "PublicIpBySubnet"


def add_hosts(template: Template, chosen: HostParameters, cluster: str) -> asg.AutoScalingGroup:
    """Add roles, security group, launch template and group; `cluster` is the logical id of what they join."""
    _add_rules_and_conditions(template, chosen)
    role = iam.Role(
        "HostRole",
        AssumeRolePolicyDocument=policies.trust("ec2"),
        Policies=[role_policies.gpu_host()],
        Tags=project_tags(),
    )
    profile = iam.InstanceProfile("HostProfile", Roles=[Ref(role)])
    https = ec2.SecurityGroupRule(
        Description="AWS APIs, the container repository and model downloads",
        IpProtocol="tcp",
        FromPort=443,
        ToPort=443,
        CidrIp="0.0.0.0/0",
    )
    security_group = ec2.SecurityGroup(
        "HostSecurityGroup",
        GroupDescription="GPU hosts: nothing comes in, HTTPS goes out.",
        VpcId=Ref(chosen.vpc),
        SecurityGroupEgress=[https],
        Tags=project_tags(),
    )
    launch_template = _launch_template(chosen, profile, security_group)
    group = _group(chosen, launch_template, cluster)
    add(template, role, profile, security_group, launch_template, group)
    return group


def _add_rules_and_conditions(template: Template, chosen: HostParameters) -> None:
    others = chosen.instance_types[1:]
    subnets_vpcs = {"Fn::ValueOf": [chosen.subnets.title, "VpcId"]}
    in_vpc = {
        "Assert": {"Fn::EachMemberEquals": [subnets_vpcs, Ref(chosen.vpc)]},
        "AssertDescription": "Give SubnetIds that are all subnets of VpcId.",
    }
    template.add_rule("SubnetsInVpc", {"Assertions": [in_vpc]})
    distinct = [
        {
            "Assert": Or(Equals(Ref(later), c.NO_INSTANCE_TYPE), Not(Equals(Ref(earlier), Ref(later)))),
            "AssertDescription": f"Give {later.title} another type than {earlier.title}, or {c.NO_INSTANCE_TYPE}.",
        }
        for earlier, later in combinations(chosen.instance_types, 2)
    ]
    template.add_rule("DistinctInstanceTypes", {"Assertions": distinct})
    for other in others:
        template.add_condition(_given(other), Not(Equals(Ref(other), c.NO_INSTANCE_TYPE)))
    template.add_condition(USES_SPOT, Not(Equals(Ref(chosen.on_demand_percent), "100")))
    # One type, on-demand only, needs no policy: the group then has the plain form.
    template.add_condition(MIXED_INSTANCES, Or(Condition(USES_SPOT), *(Condition(_given(other)) for other in others)))
    template.add_condition(PUBLIC_IP_BY_SUBNET, Equals(Ref(chosen.public_ip), "subnet"))


def _given(instance_type: Parameter) -> str:
    return f"Has{instance_type.title}"


def _launch_template(
    chosen: HostParameters, profile: iam.InstanceProfile, security_group: ec2.SecurityGroup
) -> ec2.LaunchTemplate:
    network = ec2.NetworkInterfaces(
        DeviceIndex=0,
        AssociatePublicIpAddress=If(PUBLIC_IP_BY_SUBNET, NoValue, Ref(chosen.public_ip)),
        DeleteOnTermination=True,
        Groups=[Ref(security_group)],
    )
    root_volume = ec2.EBSBlockDevice(
        VolumeType=c.ROOT_VOLUME_TYPE,
        VolumeSize=Ref(chosen.root_volume_gib),
        Encrypted=True,
        DeleteOnTermination=True,
    )
    tags = project_tags(Name=Sub("${Project}-gpu"))
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
            NetworkInterfaces=[network],
            BlockDeviceMappings=[ec2.LaunchTemplateBlockDeviceMapping(DeviceName=c.ROOT_DEVICE_NAME, Ebs=root_volume)],
            TagSpecifications=[ec2.TagSpecifications(ResourceType=kind, Tags=tags) for kind in ("instance", "volume")],
            UserData=gpu_host_user_data(),
        ),
    )


def _group(chosen: HostParameters, launch_template: ec2.LaunchTemplate, cluster: str) -> asg.AutoScalingGroup:
    specification = asg.LaunchTemplateSpecification(
        LaunchTemplateId=Ref(launch_template), Version=GetAtt(launch_template, "LatestVersionNumber")
    )
    return asg.AutoScalingGroup(
        "AutoScalingGroup",
        # Hosts register with the cluster, and have to be gone before it can be deleted.
        DependsOn=[cluster],
        # An update of the stack must not undo what managed scaling has decided since.
        UpdatePolicy=UpdatePolicy(
            AutoScalingScheduledAction=AutoScalingScheduledAction(IgnoreUnmodifiedGroupSizeProperties=True)
        ),
        AutoScalingGroupName=Sub(c.AUTO_SCALING_GROUP_NAME),
        VPCZoneIdentifier=Ref(chosen.subnets),
        MinSize=Ref(chosen.minimum),
        DesiredCapacity=Ref(chosen.desired),
        MaxSize=Ref(chosen.maximum),
        MixedInstancesPolicy=If(MIXED_INSTANCES, _mixed_instances(chosen, specification), NoValue),
        LaunchTemplate=If(MIXED_INSTANCES, NoValue, specification),
        # Spot hosts that are about to be reclaimed are replaced before they go.
        CapacityRebalance=If(USES_SPOT, True, False),
        HealthCheckType="EC2",
        HealthCheckGracePeriod=c.INSTANCE_WARMUP_SECONDS,
        # Protected hosts would keep the stack from ever being deleted.
        NewInstancesProtectedFromScaleIn=False,
        MetricsCollection=[asg.MetricsCollection(Granularity="1Minute")],
        # AmazonECSManaged is ECS's own: an update without it here would take it away again.
        Tags=[
            {"Key": key, "Value": value, "PropagateAtLaunch": True}
            for key, value in (("gameforge:project", Ref("Project")), ("AmazonECSManaged", "true"))
        ],
    )


def _mixed_instances(
    chosen: HostParameters, specification: asg.LaunchTemplateSpecification
) -> asg.MixedInstancesPolicy:
    preferred, *others = chosen.instance_types
    overrides: list[Any] = [asg.LaunchTemplateOverrides(InstanceType=Ref(preferred))]
    for other in others:
        overrides.append(If(_given(other), asg.LaunchTemplateOverrides(InstanceType=Ref(other)), NoValue))
    return asg.MixedInstancesPolicy(
        InstancesDistribution=asg.InstancesDistribution(
            OnDemandAllocationStrategy="prioritized",
            OnDemandBaseCapacity=Ref(chosen.on_demand_base),
            OnDemandPercentageAboveBaseCapacity=Ref(chosen.on_demand_percent),
            SpotAllocationStrategy="price-capacity-optimized",
        ),
        LaunchTemplate=asg.LaunchTemplate(LaunchTemplateSpecification=specification, Overrides=overrides),
    )
