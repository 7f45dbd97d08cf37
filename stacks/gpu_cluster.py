"""The `gpu-cluster` stack, Phase 1: capacity that comes and goes with the work, and the task that runs on it."""

from troposphere import GetAtt, Ref, Sub, Template, ecs

from stacks import constants as c
from stacks import parameters
from stacks.gpu_host_parameters import host_parameters
from stacks.gpu_hosts import add_hosts
from stacks.gpu_task import add_task, task_parameters
from stacks.template import add, export, new_template, project_tags


def build() -> Template:
    """The template."""
    hosts = host_parameters()
    worker = task_parameters()
    template = new_template(
        "gpu-cluster",
        "GameForge SDXL GPU cluster: ECS on GPU instances, managed scaling, the worker's task definition.",
        {
            "Project": [parameters.project()],
            "Network": [hosts.vpc, hosts.subnets, hosts.public_ip],
            "Hosts": [*hosts.instance_types, hosts.ami, hosts.root_volume_gib],
            "Capacity": [hosts.minimum, hosts.desired, hosts.maximum, hosts.on_demand_base, hosts.on_demand_percent],
            "Worker": [worker.image_tag, worker.model],
            "Prices": [worker.dollars_per_hour, worker.spot_price_factor],
            "Logs": [worker.log_kept_days],
        },
    )
    cluster = ecs.Cluster(
        "Cluster",
        ClusterName=Sub(c.CLUSTER_NAME),
        ClusterSettings=[ecs.ClusterSetting(Name="containerInsights", Value="enabled")],
        Tags=project_tags(),
    )
    add(template, cluster, export("ClusterName", "Name of the ECS cluster.", Ref(cluster), c.EXPORT_CLUSTER_NAME))
    group = add_hosts(template, hosts, cluster="Cluster")
    provider = ecs.CapacityProvider(
        "CapacityProvider",
        Name=Sub(c.CAPACITY_PROVIDER_NAME),
        AutoScalingGroupProvider=ecs.AutoScalingGroupProvider(
            AutoScalingGroupArn=GetAtt(group, "AutoScalingGroupARN"),
            ManagedScaling=ecs.ManagedScaling(
                Status="ENABLED",
                TargetCapacity=c.TARGET_CAPACITY_PERCENT,
                MinimumScalingStepSize=c.SCALING_STEP_MIN,
                MaximumScalingStepSize=c.SCALING_STEP_MAX,
                InstanceWarmupPeriod=c.INSTANCE_WARMUP_SECONDS,
            ),
            # Busy workers protect their own task; protected hosts would keep the stack from being deleted.
            ManagedTerminationProtection="DISABLED",
            ManagedDraining="ENABLED",
        ),
        Tags=project_tags(),
    )
    # Its own resource: named in the cluster, provider, group, user data and cluster would be a circle.
    association = ecs.ClusterCapacityProviderAssociations(
        "CapacityProviderAssociation",
        Cluster=Ref(cluster),
        CapacityProviders=[Ref(provider)],
        DefaultCapacityProviderStrategy=[ecs.CapacityProviderStrategy(CapacityProvider=Ref(provider), Weight=1)],
    )
    add(
        template,
        provider,
        association,
        export("AutoScalingGroupName", "Name of the group of hosts.", Ref(group), c.EXPORT_AUTO_SCALING_GROUP),
        export("CapacityProviderName", "Name of the capacity provider.", Ref(provider), c.EXPORT_CAPACITY_PROVIDER),
    )
    add_task(template, worker)
    return template
