"""A template as an invariant looks at it: resources by type, values under default parameters, who refers to whom."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from stacks.template import STACK_METADATA

_PLACEHOLDER: Final = re.compile(r"\$\{([^!}][^}]*)\}")
_NO_VALUE: Final = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True)
class Resource:
    """One resource; `properties` are its values under the parameters' defaults, as far as the template knows them."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    raw: Mapping[str, Any]

    def at(self, *path: str) -> Any:
        """The value that `path` leads to through `properties`, or None."""
        value: Any = self.properties
        for step in path:
            value = mapping(value).get(step)
        return value

    def written(self, name: str) -> Any:
        """The property as the template has it, with its functions, or None."""
        return mapping(self.raw.get("Properties")).get(name)


class TemplateView:
    """Any template, given as plain data with long-form functions."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self.template = template
        self.parameters = {name: mapping(each) for name, each in mapping(template.get("Parameters")).items()}
        self.outputs = {name: mapping(each) for name, each in mapping(template.get("Outputs")).items()}
        self._raw = {name: mapping(each) for name, each in mapping(template.get("Resources")).items()}

    @property
    def stack(self) -> str | None:
        """Which of our stacks this is, or None for another one's template."""
        name = mapping(self.template.get("Metadata")).get(STACK_METADATA)
        return name if isinstance(name, str) else None

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """All resources by logical id, also those whose condition does not hold by default."""
        return {
            name: Resource(name, str(raw.get("Type")), mapping(self.resolve(raw.get("Properties"))), raw)
            for name, raw in self._raw.items()
        }

    def of_type(self, *types: str) -> list[Resource]:
        """The resources of these types; names may leave out `AWS::`."""
        wanted = {name if name.startswith("AWS::") else f"AWS::{name}" for name in types}
        return [resource for resource in self.resources.values() if resource.type in wanted]

    def resolve(self, value: Any) -> Any:
        """`value` with what is known filled in: parameters' defaults, conditions, joins. The rest stays a function."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value if not self._is_no_value(item)]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self.parameters.get(str(argument), {}).get("Default", value)
            if name == "Fn::If":
                return self.resolve(self._branch(argument))
            if name == "Fn::Sub":
                return self._substitute(argument)
            if name == "Fn::Base64":
                return self.resolve(argument)
            if name == "Fn::Join" and isinstance(argument, list) and len(argument) == 2:
                parts = self.resolve(argument[1])
                return str(argument[0]).join(parts) if _all_text(parts) else {name: [argument[0], parts]}
        return {key: self.resolve(item) for key, item in value.items() if not self._is_no_value(item)}

    def holds(self, condition: Any) -> bool:
        """Whether a condition, by name or as a function, holds under the parameters' defaults."""
        if isinstance(condition, str):
            return self.holds(mapping(self.template.get("Conditions")).get(condition))
        if not isinstance(condition, Mapping) or len(condition) != 1:
            return False
        ((name, argument),) = condition.items()
        if name == "Condition":
            return self.holds(argument)
        if name == "Fn::Not":
            return not any(self.holds(each) for each in as_list(argument))
        if name in ("Fn::And", "Fn::Or"):
            return (all if name == "Fn::And" else any)(self.holds(each) for each in as_list(argument))
        if name == "Fn::Equals":
            return len({str(self.resolve(side)) for side in as_list(argument)}) == 1
        return False

    def references(self, value: Any) -> set[str]:
        """Logical ids of the resources that `value` refers to."""
        return {name for name in _names_in(value) if name in self._raw}

    def prerequisites(self, logical_id: str) -> set[str]:
        """Logical ids of everything CloudFormation makes before this resource, directly or not."""
        seen: set[str] = set()
        waiting = [logical_id]
        while waiting:
            raw = self._raw[waiting.pop()]
            named = {name for name in as_list(raw.get("DependsOn")) if isinstance(name, str)}
            new = ((named | self.references(raw.get("Properties"))) & self._raw.keys()) - seen
            seen |= new
            waiting.extend(new)
        return seen

    def referred(self, value: Any) -> Resource | None:
        """The one resource that `value` refers to, or None."""
        names = self.references(value)
        return self.resources[names.pop()] if len(names) == 1 else None

    def _branch(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            return None
        condition, if_true, if_false = argument
        return if_true if self.holds(condition) else if_false

    def _is_no_value(self, value: Any) -> bool:
        while isinstance(value, Mapping) and value.keys() == {"Fn::If"}:
            value = self._branch(value["Fn::If"])
        return bool(value == _NO_VALUE)

    def _substitute(self, argument: Any) -> str:
        text, variables = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            value = self.resolve(mapping(variables).get(name, {"Ref": name}))
            if isinstance(value, Mapping) and isinstance(value.get("Fn::ImportValue"), str):
                return f"${{{value['Fn::ImportValue']}}}"
            return str(value) if isinstance(value, str | int) else match[0]

        return _PLACEHOLDER.sub(replace, str(text))


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is a mapping, else an empty one: a function may stand wherever a template has a value."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings in `value`, if it is a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def as_list(value: Any) -> list[Any]:
    """`value` as a list: CloudFormation and IAM take one item for a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def number(value: Any) -> float:
    """`value` as a number, or not-a-number, which no comparison holds for."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def is_true(value: Any) -> bool:
    """Whether `value` is one of CloudFormation's ways to say true."""
    return str(value).lower() == "true"


def _all_text(parts: Any) -> bool:
    return isinstance(parts, list) and all(isinstance(part, str) for part in parts)


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _names_in(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Ref":
                yield str(item)
            elif key == "Fn::GetAtt":
                yield str(item[0] if isinstance(item, list) and item else item).split(".")[0]
            else:
                if key == "Fn::Sub":
                    text = str(as_list(item)[0] if as_list(item) else "")
                    yield from (match[1].split(".")[0] for match in _PLACEHOLDER.finditer(text))
                yield from _names_in(item)
