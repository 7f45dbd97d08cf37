"""The pieces that every stack is put together from: an empty template, outputs, names, and the YAML text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import cfn_flip
from troposphere import Export, ImportValue, Output, Parameter, Sub, Tags, Template

from stacks.constants import TEMPLATE_BYTES_MAX

# The order a reader wants; troposphere's own is alphabetical by accident.
_SECTIONS = (
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
)


def new_template(description: str, groups: Mapping[str, Sequence[Parameter]]) -> Template:
    """A template with its parameters, which the console shows under the headings that are the keys of `groups`."""
    template = Template(Description=description)
    template.set_version("2010-09-09")
    for parameters in groups.values():
        for parameter in parameters:
            template.add_parameter(parameter)
    template.set_metadata(
        {
            "AWS::CloudFormation::Interface": {
                "ParameterGroups": [
                    {"Label": {"default": label}, "Parameters": [parameter.title for parameter in parameters]}
                    for label, parameters in groups.items()
                ]
            }
        }
    )
    return template


def output(title: str, description: str, value: Any) -> Output:
    """An output that deployments read. What changes from update to update must not be exported: an imported value can't
    change."""
    return Output(title, Description=description, Value=value)


def export(title: str, description: str, value: Any, suffix: str) -> Output:
    """An output that other stacks import as `${Project}-suffix`."""
    return Output(title, Description=description, Value=value, Export=Export(Sub("${Project}-" + suffix)))


def import_value(suffix: str) -> ImportValue:
    """What another stack exported as `${Project}-suffix`."""
    return ImportValue(Sub("${Project}-" + suffix))


def project_tags(**more: str) -> Tags:
    """The tag that every resource carries, so that the bill can be split by project."""
    return Tags(**{"gameforge:project": Sub("${Project}")}, **more)


def to_dict(template: Template) -> dict[str, Any]:
    """The template as plain data, in the order of `_SECTIONS`. Raises `ValueError` for what troposphere refuses."""
    sections: dict[str, Any] = template.to_dict()
    # The type says what the rest is about.
    sections["Resources"] = {
        name: {"Type": resource["Type"], **resource} for name, resource in sections["Resources"].items()
    }
    return {name: sections[name] for name in _SECTIONS if name in sections}


def to_yaml(template: dict[str, Any]) -> str:
    """The text that is committed and deployed. Raises `ValueError` if CloudFormation would not take it inline."""
    text: str = cfn_flip.to_yaml(json.dumps(template))
    size_bytes = len(text.encode())
    if size_bytes > TEMPLATE_BYTES_MAX:
        raise ValueError(f"the template has {size_bytes:,} bytes; CloudFormation takes {TEMPLATE_BYTES_MAX:,} inline")
    return text
