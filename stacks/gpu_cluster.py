"""Phase 1, the GPU cluster: capacity that comes and goes with the work, and the task that runs on it."""

from troposphere import GetAtt, Ref, Sub, Template, ecs

from stacks import constants as c
from stacks import parameters
from stacks.gpu_hosts import add_hosts, host_parameters
from stacks.gpu_task import add_task, task_parameters
from stacks.template import export, new_template, output, project_tags


def build() -> Template:
    """The template of the `gpu-cluster` stack."""
    hosts = host_parameters()
    worker = task_parameters()
    template = new_template(
        "GameForge SDXL GPU cluster: ECS on GPU instances, managed scaling, the worker's task definition.",
        {
            "Project": [parameters.project()],
            "Network": [hosts.vpc, hosts.subnets, hosts.public_ip],
            "Hosts": [*hosts.instance_types, hosts.ami, hosts.root_volume_gib],
            "Capacity": [hosts.minimum, hosts.desired, hosts.maximum, hosts.on_demand_base, hosts.on_demand_percent],
            "Worker": [worker.image_tag, worker.model],
            "Logs": [worker.log_kept_days],
        },
    )
    cluster = ecs.Cluster(
        "Cluster",
        ClusterName=Sub(c.CLUSTER_NAME),
        ClusterSettings=[ecs.ClusterSetting(Name="containerInsights", Value="enabled")],
        Tags=project_tags(),
    )
    template.add_resource(cluster)
    group = add_hosts(template, hosts)
    # Hosts register with the cluster, and have to be gone before it can be deleted.
    group.DependsOn = [cluster.title]
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
    association = ecs.ClusterCapacityProviderAssociations(
        "CapacityProviderAssociation",
        Cluster=Ref(cluster),
        CapacityProviders=[Ref(provider)],
        DefaultCapacityProviderStrategy=[ecs.CapacityProviderStrategy(CapacityProvider=Ref(provider), Weight=1)],
    )
    template.add_resource([provider, association])
    task = add_task(template, worker)
    template.add_output(
        [
            export("ClusterName", "Name of the ECS cluster.", Ref(cluster), c.EXPORT_CLUSTER_NAME),
            export("CapacityProviderName", "Name of the capacity provider.", Ref(provider), c.EXPORT_CAPACITY_PROVIDER),
            export("AutoScalingGroupName", "Name of the group of hosts.", Ref(group), c.EXPORT_AUTO_SCALING_GROUP),
            output("TaskDefinitionArn", "ARN of the worker's task definition, with its revision.", Ref(task)),
            export("LogGroupName", "Log group of the worker.", Ref("LogGroup"), c.EXPORT_GPU_LOG_GROUP),
        ]
    )
    return template
