"""Invariants of IAM: each role trusts the service that uses it, and gets what is named and no more."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stacks.invariants.finding import Finding
from stacks.star_resources import MANAGED_POLICY_REASONS, STAR_RESOURCE_REASONS
from stacks.template_view import Resource, TemplateView, as_list, mapping, mappings

# Where a role is used, and by which service.
_USERS: Final = {
    ("ECS::TaskDefinition", "ExecutionRoleArn"): "ecs-tasks",
    ("ECS::TaskDefinition", "TaskRoleArn"): "ecs-tasks",
    ("IAM::InstanceProfile", "Roles"): "ec2",
    ("Lambda::Function", "Role"): "lambda",
    ("CodeBuild::Project", "ServiceRole"): "codebuild",
    ("ApiGateway::Account", "CloudWatchRoleArn"): "apigateway",
    ("Scheduler::Schedule", "Target"): "scheduler",
}
_RESOURCE_POLICIES: Final = ("S3::BucketPolicy", "SQS::QueuePolicy", "SNS::TopicPolicy")


def role_trusts_its_user(view: TemplateView) -> Iterator[Finding]:
    """A role trusts exactly the service that uses it."""
    for (kind, name), service in _USERS.items():
        for user in view.of_type(kind):
            role = view.referred(user.written(name))
            if role is None or role.type != "AWS::IAM::Role":
                continue
            trusted = {
                str(principal)
                for statement in _statements(role.properties.get("AssumeRolePolicyDocument"))
                for principal in as_list(mapping(statement.get("Principal")).get("Service"))
            }
            if trusted != {f"{service}.amazonaws.com"}:
                found = ", ".join(sorted(trusted)) or "nobody"
                message = f"{user.logical_id} uses it, so {service}.amazonaws.com alone has to be trusted, not {found}"
                yield Finding(role.logical_id, message)


def resources_are_named(view: TemplateView) -> Iterator[Finding]:
    """No statement allows `*` resources, but for actions that AWS offers no narrower resource for."""
    for owner, statement in _allowing(view):
        if "*" in as_list(statement.get("Resource", "*")):
            for action in map(str, as_list(statement.get("Action"))):
                if action not in STAR_RESOURCE_REASONS:
                    yield Finding(owner.logical_id, f"allows {action} on every resource: name the resources it means")


def actions_are_named(view: TemplateView) -> Iterator[Finding]:
    """No statement allows actions by wildcard, or everything but something."""
    for owner, statement in _allowing(view):
        for action in map(str, as_list(statement.get("Action"))):
            if "*" in action:
                yield Finding(owner.logical_id, f"allows {action}: name the actions it means")
        for name in ("NotAction", "NotResource", "NotPrincipal"):
            if name in statement:
                yield Finding(owner.logical_id, f"{name} allows what nobody has thought of: name what is meant")


def managed_policies_are_known(view: TemplateView) -> Iterator[Finding]:
    """No role has a policy of AWS's own, but those with a reason."""
    for role in view.of_type("IAM::Role"):
        for arn in as_list(role.properties.get("ManagedPolicyArns")):
            name = str(arn).split(":policy/")[-1]
            if name not in MANAGED_POLICY_REASONS:
                yield Finding(role.logical_id, f"{name} allows more than is needed here: write the statements out")


def public_is_refused(view: TemplateView) -> Iterator[Finding]:
    """No resource policy lets everybody in."""
    for owner in view.of_type(*_RESOURCE_POLICIES):
        for statement in _statements(owner.properties.get("PolicyDocument")):
            principal = statement.get("Principal")
            everybody = principal == "*" or "*" in as_list(mapping(principal).get("AWS"))
            if statement.get("Effect") == "Allow" and everybody and "Condition" not in statement:
                yield Finding(owner.logical_id, "lets everybody in: name the principals")


def _allowing(view: TemplateView) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for owner in view.of_type("IAM::Role", "IAM::Policy", "IAM::ManagedPolicy"):
        inline = [policy.get("PolicyDocument") for policy in mappings(owner.properties.get("Policies"))]
        for policy in (*inline, owner.properties.get("PolicyDocument")):
            yield from ((owner, each) for each in _statements(policy) if each.get("Effect") == "Allow")


def _statements(policy: Any) -> list[Mapping[str, Any]]:
    return mappings(as_list(mapping(policy).get("Statement")))


INVARIANTS: Final = (
    role_trusts_its_user,
    resources_are_named,
    actions_are_named,
    managed_policies_are_known,
    public_is_refused,
)
