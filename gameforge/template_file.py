"""What the command line has to know of a CloudFormation template: its parameters and its resources."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Resource:
    """One resource of a template; `condition` is the name of what decides whether it is made, if anything does.

    `properties` have a function of CloudFormation as its plain argument: `!Sub x` and `!Ref x` are both "x".
    """

    logical_id: str
    resource_type: str
    condition: str | None
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class TemplateFile:
    """A template on disk. `parameters` has each one's default as text, None where a value has to be given."""

    path: Path
    parameters: dict[str, str | None]
    resources: tuple[Resource, ...]


class _Loader(yaml.SafeLoader):
    """Takes the short forms of CloudFormation's functions for their plain arguments."""


def _any_tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)  # type: ignore[arg-type]


_Loader.add_multi_constructor("!", _any_tag)


def read_template(path: Path) -> TemplateFile:
    """Read a template. Raises `FileNotFoundError`."""
    content = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return TemplateFile(
        path,
        {
            name: str(parameter["Default"]) if "Default" in parameter else None
            for name, parameter in content.get("Parameters", {}).items()
        },
        tuple(
            Resource(logical_id, resource["Type"], resource.get("Condition"), resource.get("Properties", {}))
            for logical_id, resource in content["Resources"].items()
        ),
    )
