"""Invariants of the template's face: parameters explain themselves, and exports stay what they are."""

from collections.abc import Iterator
from typing import Final

from stacks.invariants.finding import Finding
from stacks.template_view import TemplateView, as_list, mapping, mappings

# What changes with an update of the resource, so that CloudFormation would refuse it while another stack imports it.
_CHANGING: Final = {
    "AWS::ECS::TaskDefinition": ("Ref", "TaskDefinitionArn"),
    "AWS::EC2::LaunchTemplate": ("LatestVersionNumber",),
    "AWS::Lambda::Version": ("Ref", "Version"),
    "AWS::ApiGateway::Deployment": ("Ref", "DeploymentId"),
}


def parameter_is_explained(view: TemplateView) -> Iterator[Finding]:
    """Every parameter says what it is, what it accepts, and what to give instead of a wrong value."""
    for name, parameter in view.parameters.items():
        if not parameter.get("Description"):
            yield Finding(name, "nobody knows what to give: add a Description")
        if not parameter.get("ConstraintDescription"):
            yield Finding(name, "a wrong value is refused without a reason: add a ConstraintDescription")
        own_type = parameter.get("Type") in ("String", "Number", "CommaDelimitedList", "List<Number>")
        if own_type and not {"AllowedPattern", "AllowedValues", "MinValue", "MaxValue"} & parameter.keys():
            yield Finding(name, "accepts anything: add AllowedPattern, AllowedValues, or MinValue and MaxValue")


def parameter_is_grouped(view: TemplateView) -> Iterator[Finding]:
    """Every parameter stands in one group of the console's form, and every group's parameter exists."""
    interface = mapping(mapping(view.template.get("Metadata")).get("AWS::CloudFormation::Interface"))
    groups = mappings(interface.get("ParameterGroups"))
    grouped = [str(name) for group in groups for name in as_list(group.get("Parameters"))]
    for name in view.parameters:
        if grouped.count(name) != 1:
            yield Finding(name, f"stands in {grouped.count(name)} groups of the console's form: put it into one")
    for name in sorted(set(grouped) - set(view.parameters)):
        yield Finding(name, "stands in a group of the console's form, but is no parameter: drop it there")


def export_stays(view: TemplateView) -> Iterator[Finding]:
    """No export has a value that changes from update to update."""
    for name, output in view.outputs.items():
        value = mapping(output.get("Value"))
        resource = view.referred(value)
        if "Export" not in output or resource is None:
            continue
        attribute = as_list(value.get("Fn::GetAtt"))[-1:] or list(value)
        if attribute[0] in _CHANGING.get(resource.type, ()):
            yield Finding(name, "changes with every update, which is refused while it is imported: drop the Export")


INVARIANTS: Final = (parameter_is_explained, parameter_is_grouped, export_stays)
