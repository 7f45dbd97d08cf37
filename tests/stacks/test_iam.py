"""Least privilege, read from the rendered templates."""

from typing import Any

import pytest

from stacks.star_resources import MANAGED_POLICY_REASONS, STAR_RESOURCE_REASONS
from stacks.template_view import TemplateView

Templates = dict[str, dict[str, Any]]


def roles(templates: Templates) -> list[dict[str, Any]]:
    return [dict(role.properties) for each in templates.values() for role in TemplateView(each).of_type("IAM::Role")]


def statements(templates: Templates) -> list[dict[str, Any]]:
    return [
        statement
        for role in roles(templates)
        for policy in role.get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_star_resources_are_exactly_those_with_a_reason(templates: Templates) -> None:
    starred = {
        action for statement in statements(templates) if "*" in statement["Resource"] for action in statement["Action"]
    }
    assert starred == STAR_RESOURCE_REASONS.keys()


def test_policies_of_aws_are_exactly_those_with_a_reason(templates: Templates) -> None:
    attached = {arn.split(":policy/")[1] for role in roles(templates) for arn in role.get("ManagedPolicyArns", [])}
    assert attached == MANAGED_POLICY_REASONS.keys()


@pytest.mark.parametrize("reasons", [STAR_RESOURCE_REASONS, MANAGED_POLICY_REASONS])
def test_every_reason_is_a_sentence(reasons: dict[str, str]) -> None:
    assert all(len(reason.split()) > 5 and reason.endswith(".") for reason in reasons.values())


def test_no_action_is_a_wildcard(templates: Templates) -> None:
    assert [s["Action"] for s in statements(templates) if any("*" in action for action in s["Action"])] == []


def test_host_execution_and_task_have_roles_of_their_own(gpu_cluster: TemplateView) -> None:
    (task,) = gpu_cluster.of_type("ECS::TaskDefinition")
    (profile,) = gpu_cluster.of_type("IAM::InstanceProfile")
    used = [task.written("ExecutionRoleArn"), task.written("TaskRoleArn"), profile.written("Roles")]
    named = [gpu_cluster.referred(value) for value in used]
    assert [role.logical_id for role in named if role] == ["ExecutionRole", "TaskRole", "HostRole"]
