"""What a deployment would change in a stack: asked of CloudFormation with a change set that is never executed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from gameforge.aws_errors import explained
from gameforge.stack import CAPABILITIES, Stack, StackError
from gameforge.stack_events import advice_for
from gameforge.template_file import TemplateFile

POLL_SECONDS: Final = 1.0
NAME_PREFIX: Final = "gameforge-diff-"
_NOTHING_CHANGES: Final = ("didn't contain changes", "No updates are to be performed")
_REPLACEMENT: Final = {"True": "yes", "False": "no", "Conditional": "perhaps"}


@dataclass(frozen=True)
class Change:
    """What happens to one resource, because of `causes` (properties, or a condition).

    `replacement` is yes, no, perhaps, or empty where the question does not arise.
    """

    resource: str
    resource_type: str
    action: str
    replacement: str
    causes: tuple[str, ...]


def changes(stack: Stack, template: TemplateFile, parameters_of: Callable[[], Mapping[str, str]]) -> list[Change]:
    """What `stack.deploy(template, parameters_of())` would change; empty for nothing. Changes nothing itself.

    All resources of a stack that does not exist yet are additions, whatever its parameters. Raises `StackError` if
    CloudFormation refuses the template or the parameters.
    """
    with explained():
        present = stack.describe()
        if present is None:
            return _additions(template)
        parameters = parameters_of()
        cloudformation = stack.aws.client("cloudformation")
        name = f"{NAME_PREFIX}{uuid4()}"
        # The same choice that `aws cloudformation deploy` makes: what is not said stays as it is.
        known = {parameter["ParameterKey"] for parameter in present.get("Parameters", [])}
        said = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        kept = [
            {"ParameterKey": key, "UsePreviousValue": True}
            for key in template.parameters
            if key in known and key not in parameters
        ]
        cloudformation.create_change_set(
            StackName=stack.name,
            ChangeSetName=name,
            ChangeSetType="UPDATE",
            TemplateBody=template.path.read_text(),
            Capabilities=list(CAPABILITIES),
            Parameters=said + kept,
        )
        try:
            return [_change(entry["ResourceChange"]) for entry in _entries(cloudformation, stack.name, name)]
        finally:
            cloudformation.delete_change_set(StackName=stack.name, ChangeSetName=name)


def _additions(template: TemplateFile) -> list[Change]:
    return [
        Change(
            resource.logical_id,
            resource.resource_type,
            "Add",
            "",
            (f"if {resource.condition}",) if resource.condition else (),
        )
        for resource in template.resources
    ]


def _entries(cloudformation: Any, stack: str, name: str) -> list[dict[str, Any]]:
    while True:
        found = cloudformation.describe_change_set(StackName=stack, ChangeSetName=name)
        if found["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            break
        time.sleep(POLL_SECONDS)
    if found["Status"] == "FAILED":
        reason = found.get("StatusReason", "")
        if any(words in reason for words in _NOTHING_CHANGES):
            return []
        advice = advice_for(reason, stack)
        raise StackError(f"stack {stack} could not be compared: {reason}" + (f"\n{advice}" if advice else ""))
    entries: list[dict[str, Any]] = found["Changes"]
    while token := found.get("NextToken"):
        found = cloudformation.describe_change_set(StackName=stack, ChangeSetName=name, NextToken=token)
        entries += found["Changes"]
    return [entry for entry in entries if entry["Type"] == "Resource"]


def _change(entry: dict[str, Any]) -> Change:
    targets = (detail["Target"] for detail in entry.get("Details", []))
    causes = dict.fromkeys(target.get("Name") or target["Attribute"] for target in targets)
    return Change(
        entry["LogicalResourceId"],
        entry["ResourceType"],
        entry["Action"],
        _REPLACEMENT.get(entry.get("Replacement", ""), ""),
        tuple(causes),
    )
