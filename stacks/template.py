"""The pieces that every stack is put together from: an empty template, outputs and imports, the finished data."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from troposphere import BaseAWSObject, Export, ImportValue, Output, Parameter, Ref, Sub, Tags, Template

# The order a reader wants; troposphere's own is accidental.
_SECTIONS: Final = (
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Conditions",
    "Resources",
    "Outputs",
)
# Says which of our stacks a template is; the invariants look there for what it must hold.
STACK_METADATA: Final = "GameForge::Stack"


def new_template(stack: str, description: str, groups: Mapping[str, Sequence[Parameter]]) -> Template:
    """A template with its parameters, which the console shows under the headings that are the keys of `groups`."""
    template = Template(Description=description)
    template.set_version("2010-09-09")
    for parameters in groups.values():
        template.add_parameter(list(parameters))
    template.set_metadata(
        {
            STACK_METADATA: stack,
            "AWS::CloudFormation::Interface": {
                "ParameterGroups": [
                    {"Label": {"default": label}, "Parameters": [parameter.title for parameter in parameters]}
                    for label, parameters in groups.items()
                ]
            },
        }
    )
    return template


def add(template: Template, *parts: BaseAWSObject) -> None:
    """Add resources and outputs, in the order given."""
    for part in parts:
        if isinstance(part, Output):
            template.add_output(part)
        else:
            template.add_resource(part)


def output(title: str, description: str, value: Any) -> Output:
    """An output that deployments read: what an update may change, as an export can't while another stack imports it."""
    return Output(title, Description=description, Value=value)


def export(title: str, description: str, value: Any, suffix: str) -> Output:
    """An output that other stacks import as `${Project}-suffix`."""
    return Output(title, Description=description, Value=value, Export=Export(Sub("${Project}-" + suffix)))


def import_value(suffix: str) -> ImportValue:
    """What another stack exported as `${Project}-suffix`."""
    return ImportValue(Sub("${Project}-" + suffix))


def project_tags(**more: Any) -> Tags:
    """The tag that every resource carries, so that the bill can be split by project."""
    return Tags(**{"gameforge:project": Ref("Project")}, **more)


def to_dict(template: Template) -> dict[str, Any]:
    """The template as plain data, in a reader's order. Raises `ValueError` for what troposphere refuses."""
    sections: dict[str, Any] = template.to_dict()
    # The type says what the rest is about.
    sections["Resources"] = {
        name: {"Type": resource["Type"], **resource} for name, resource in sections["Resources"].items()
    }
    return {name: sections[name] for name in _SECTIONS if name in sections}
