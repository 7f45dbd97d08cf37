"""Templates as YAML text and back: short forms where CloudFormation knows them, and nothing reordered or folded."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

_MAP: Final = "tag:yaml.org,2002:map"
_STRING: Final = "tag:yaml.org,2002:str"
# The functions of the Rules section and `Condition` have only their long form everywhere.
_SHORT_FORMS: Final = {
    "Ref": "!Ref",
    **{
        f"Fn::{name}": f"!{name}"
        for name in (
            *("And", "Base64", "Cidr", "Equals", "FindInMap", "GetAtt", "GetAZs", "If", "ImportValue", "Join"),
            *("Not", "Or", "Select", "Split", "Sub"),
        )
    },
}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str, tag: str = _STRING) -> yaml.Node:
    return dumper.represent_scalar(tag, text, style="|" if "\n" in text else None)


def _represent_mapping(dumper: yaml.SafeDumper, mapping: dict[str, Any]) -> yaml.Node:
    if len(mapping) == 1:
        ((name, argument),) = mapping.items()
        if tag := _SHORT_FORMS.get(name):
            if name == "Fn::GetAtt":
                argument = ".".join(argument)
            if isinstance(argument, str):
                return _represent_text(dumper, argument, tag)
            if isinstance(argument, list):
                return dumper.represent_sequence(tag, argument)
            # A node has one tag, so a function that is another one's whole argument keeps its long form.
            return dumper.represent_mapping(tag, argument.items())
    return dumper.represent_mapping(_MAP, mapping.items())


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(dict, _represent_mapping)


class _Loader(yaml.SafeLoader):
    # CloudFormation has no dates: a policy's version is a string, quoted or not.
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML reads it from the class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _construct_function(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    argument: Any
    if isinstance(node, yaml.ScalarNode):
        argument = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        argument = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(argument, str):
        argument = argument.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": argument}


_Loader.add_multi_constructor("!", _construct_function)


def to_yaml(template: Mapping[str, Any]) -> str:
    """The text that is committed and deployed."""
    return yaml.dump(dict(template), Dumper=_Dumper, sort_keys=False, width=10**6, allow_unicode=True)


def from_yaml(text: str) -> dict[str, Any]:
    """Any template, YAML or JSON, as plain data with long-form functions. Raises `ValueError` if it is neither."""
    try:
        template = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with CloudFormation's tags
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML or JSON: {error}") from None
    if not isinstance(template, dict):
        raise ValueError("not a template: the top level has to be a mapping")
    return template
