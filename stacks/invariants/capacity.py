"""Invariants of ECS capacity: hosts come and go with the work, services find them, and stacks can be deleted."""

import re
from collections.abc import Iterator
from typing import Final

from stacks.invariants.finding import Finding
from stacks.template_view import TemplateView, as_list, is_true, mapping, number

_RESERVED_NAME: Final = re.compile(r"(aws|ecs|fargate)", re.IGNORECASE)
_BUILT_IN_PROVIDERS: Final = frozenset({"FARGATE", "FARGATE_SPOT"})
# A GPU host takes minutes from its launch to its registration.
_WARMUP_SECONDS_MIN: Final = 60


def provider_name_is_free(view: TemplateView) -> Iterator[Finding]:
    """No capacity provider's name begins with a word that ECS keeps for itself."""
    for provider in view.of_type("ECS::CapacityProvider"):
        name = str(provider.properties.get("Name", ""))
        if _RESERVED_NAME.match(name):
            yield Finding(provider.logical_id, f"ECS refuses the name {name}: begin with no aws, ecs or fargate")


def cluster_names_no_provider(view: TemplateView) -> Iterator[Finding]:
    """Providers are tied to a cluster by an association: in the cluster itself they would be a circle."""
    for cluster in view.of_type("ECS::Cluster"):
        if any(str(name) not in _BUILT_IN_PROVIDERS for name in as_list(cluster.properties.get("CapacityProviders"))):
            message = (
                "makes a circle of provider, group, user data and cluster: use ClusterCapacityProviderAssociations"
            )
            yield Finding(cluster.logical_id, message)


def provider_is_associated(view: TemplateView) -> Iterator[Finding]:
    """Every capacity provider belongs to a cluster, or nothing can run on it."""
    associations = view.of_type("ECS::ClusterCapacityProviderAssociations")
    associated = {name for each in associations for name in view.references(each.written("CapacityProviders"))}
    for provider in view.of_type("ECS::CapacityProvider"):
        if provider.logical_id not in associated and view.of_type("ECS::Cluster"):
            message = "belongs to no cluster: list it in a ClusterCapacityProviderAssociations"
            yield Finding(provider.logical_id, message)


def scaling_is_managed(view: TemplateView) -> Iterator[Finding]:
    """ECS scales the hosts, one at a time, and drains them before they go."""
    for provider in view.of_type("ECS::CapacityProvider"):
        scaling = mapping(provider.at("AutoScalingGroupProvider", "ManagedScaling"))
        faults = {
            "hosts never follow the work: set ManagedScaling.Status to ENABLED": scaling.get("Status") != "ENABLED",
            "ECS starts several hosts for one task: set MinimumScalingStepSize to 1": (
                number(scaling.get("MinimumScalingStepSize")) != 1
            ),
            "TargetCapacity has to be from 1 to 100 percent": not 1 <= number(scaling.get("TargetCapacity")) <= 100,
            "a GPU host takes minutes to register: set InstanceWarmupPeriod to 300 seconds": (
                not number(scaling.get("InstanceWarmupPeriod")) >= _WARMUP_SECONDS_MIN
            ),
            "hosts go while tasks run on them: set ManagedDraining to ENABLED": (
                provider.at("AutoScalingGroupProvider", "ManagedDraining") != "ENABLED"
            ),
        }
        yield from (Finding(provider.logical_id, message) for message, present in faults.items() if present)


def hosts_can_be_terminated(view: TemplateView) -> Iterator[Finding]:
    """Nothing protects hosts from scale-in: a stack with protected hosts can't be deleted."""
    for provider in view.of_type("ECS::CapacityProvider"):
        protection = provider.at("AutoScalingGroupProvider", "ManagedTerminationProtection")
        if protection != "DISABLED":
            message = "deleting the stack hangs on protected hosts: set ManagedTerminationProtection to DISABLED"
            yield Finding(provider.logical_id, message)
    for group in view.of_type("AutoScaling::AutoScalingGroup"):
        if is_true(group.properties.get("NewInstancesProtectedFromScaleIn")):
            message = "deleting the stack hangs on protected hosts: set NewInstancesProtectedFromScaleIn to false"
            yield Finding(group.logical_id, message)


def service_waits_for_providers(view: TemplateView) -> Iterator[Finding]:
    """A service with a capacity provider strategy is made after the association, and deleted before it."""
    associations = {each.logical_id for each in view.of_type("ECS::ClusterCapacityProviderAssociations")}
    for service in view.of_type("ECS::Service"):
        uses_provider = "CapacityProviderStrategy" in service.properties
        if uses_provider and associations and not associations & view.prerequisites(service.logical_id):
            message = f"is made before its cluster knows the provider: DependsOn {', '.join(sorted(associations))}"
            yield Finding(service.logical_id, message)


def service_names_capacity_once(view: TemplateView) -> Iterator[Finding]:
    """A service has a launch type or a capacity provider strategy, never both."""
    for service in view.of_type("ECS::Service"):
        if {"LaunchType", "CapacityProviderStrategy"} <= service.properties.keys():
            yield Finding(service.logical_id, "AWS refuses LaunchType beside CapacityProviderStrategy: drop LaunchType")


def service_can_be_deployed(view: TemplateView) -> Iterator[Finding]:
    """A deployment may stop or start at least one task, and a queue worker's replaces tasks one after the other."""
    for service in view.of_type("ECS::Service"):
        deployment = mapping(service.properties.get("DeploymentConfiguration"))
        lowest = number(deployment.get("MinimumHealthyPercent", 100))
        highest = number(deployment.get("MaximumPercent", 200))
        if lowest >= 100 and highest <= 100:
            message = (
                f"may stop nothing below {lowest:g} % and start nothing above {highest:g} %: leave room for one task"
            )
            yield Finding(service.logical_id, message)
        strategy = deployment.get("Strategy", "ROLLING")
        if strategy != "ROLLING" and "LoadBalancers" not in service.properties:
            message = f"{strategy} shifts no traffic of a queue worker and needs twice the GPUs: use ROLLING"
            yield Finding(service.logical_id, message)


def service_starts_with_nothing(view: TemplateView) -> Iterator[Finding]:
    """A service on hosts begins with no task, so that making the stack waits for no capacity."""
    for service in view.of_type("ECS::Service"):
        on_hosts = "CapacityProviderStrategy" in service.properties or service.properties.get("LaunchType") == "EC2"
        if on_hosts and number(service.properties.get("DesiredCount")) != 0:
            message = "making the stack waits until a GPU can be had: set DesiredCount to 0, scaling raises it"
            yield Finding(service.logical_id, message)


INVARIANTS: Final = (
    provider_name_is_free,
    cluster_names_no_provider,
    provider_is_associated,
    scaling_is_managed,
    hosts_can_be_terminated,
    service_waits_for_providers,
    service_names_capacity_once,
    service_can_be_deployed,
    service_starts_with_nothing,
)
