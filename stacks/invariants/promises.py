"""Invariants of our own stacks: each holds what its contract says, and the GPU cluster holds the values of Phase 1."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from stacks.contracts import CONTRACTS
from stacks.invariants.finding import Finding
from stacks.phase_1 import USER_DATA, VALUES
from stacks.template import STACK_METADATA
from stacks.template_view import TemplateView, as_list, mapping, mappings

PHASE_1_STACK: Final = "gpu-cluster"
# Where a resource that we name has its name.
_OWN_NAME: Final = {
    "AWS::ApiGateway::Authorizer": "Name",
    "AWS::ApiGateway::RestApi": "Name",
    "AWS::AutoScaling::AutoScalingGroup": "AutoScalingGroupName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::CodeBuild::Project": "Name",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::EC2::LaunchTemplate": "LaunchTemplateName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::ECS::CapacityProvider": "Name",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::ECS::TaskDefinition": "Family",
    "AWS::Events::Rule": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Logs::QueryDefinition": "Name",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SSM::Parameter": "Name",
}


def stack_is_known(view: TemplateView) -> Iterator[Finding]:
    """A template that says it is one of ours is one of ours."""
    if view.stack is not None and view.stack not in CONTRACTS:
        yield Finding("Metadata", f"{STACK_METADATA} is {view.stack}: give it a contract in stacks/contracts.py")


def resources_are_there(view: TemplateView) -> Iterator[Finding]:
    """One of our stacks has the resources of its contract, no fewer and no others."""
    if contract := CONTRACTS.get(str(view.stack)):
        found = Counter(resource.type.removeprefix("AWS::") for resource in view.resources.values())
        for name in sorted(found.keys() | contract.resources.keys()):
            wanted = contract.resources.get(name, 0)
            if found[name] != wanted:
                yield Finding(
                    f"AWS::{name}", f"the contract has {wanted} of them, the template {found[name]}: change one"
                )


def exports_are_there(view: TemplateView) -> Iterator[Finding]:
    """One of our stacks exports what others import, under the project's name."""
    if contract := CONTRACTS.get(str(view.stack)):
        names = [mapping(mapping(output.get("Export")).get("Name")) for output in view.outputs.values()]
        found = {str(name.get("Fn::Sub")) for name in names}
        for suffix in sorted(contract.exports):
            if f"${{Project}}-{suffix}" not in found:
                yield Finding("Outputs", f"other stacks import ${{Project}}-{suffix}: export it")


def roles_do_their_job(view: TemplateView) -> Iterator[Finding]:
    """A role of ours may do what its contract says, no less and no more."""
    if contract := CONTRACTS.get(str(view.stack)):
        for role in view.of_type("IAM::Role"):
            found = {
                str(action)
                for policy in mappings(role.properties.get("Policies"))
                for statement in mappings(mapping(policy.get("PolicyDocument")).get("Statement"))
                for action in as_list(statement.get("Action"))
            }
            wanted = contract.actions.get(role.logical_id, frozenset())
            for action in sorted(wanted - found):
                yield Finding(role.logical_id, f"may not {action}, which it needs: allow it")
            for action in sorted(found - wanted):
                yield Finding(role.logical_id, f"may {action}, which its contract does not have: drop it")


def names_have_the_prefix(view: TemplateView) -> Iterator[Finding]:
    """Whatever has a name of its own has the project's in it, so that two systems fit into one account."""
    if view.stack in CONTRACTS:
        for resource in view.resources.values():
            name = _OWN_NAME.get(resource.type)
            if name and "${Project}" not in str(mapping(resource.written(name)).get("Fn::Sub")):
                yield Finding(resource.logical_id, f"{name} is the same in every system: put ${{Project}} into it")


def phase_1_holds(view: TemplateView) -> Iterator[Finding]:
    """The GPU cluster has every value of Phase 1 under the parameters' defaults."""
    if view.stack != PHASE_1_STACK:
        return
    for value in VALUES:
        for resource in view.of_type(value.resource_type):
            found = _follow(resource.properties, value.path)
            if found != value.expected:
                message = f"{value.component}, {value.name}: has to be {value.expected}, is {found}"
                yield Finding(resource.logical_id, message)
    for host in view.of_type("EC2::LaunchTemplate"):
        user_data = str(host.at("LaunchTemplateData", "UserData"))
        for line in USER_DATA:
            if line.text not in user_data:
                yield Finding(host.logical_id, f"{line.component}, {line.name}: user data lacks {line.text.strip()!r}")


def _follow(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


INVARIANTS: Final = (
    stack_is_known,
    resources_are_there,
    exports_are_there,
    roles_do_their_job,
    names_have_the_prefix,
    phase_1_holds,
)
