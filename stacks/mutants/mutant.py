"""A mutant: a sound template with one fault, and the edits that faults are made of."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

TemplateData: TypeAlias = dict[str, Any]
Edit: TypeAlias = Callable[[TemplateData], None]


@dataclass(frozen=True)
class Mutant:
    """`group` says what the fault belongs to, `base` names the sound template."""

    group: str
    base: str
    name: str
    edit: Edit

    def apply(self, base: TemplateData) -> TemplateData:
        """The template with the fault. Raises `ValueError` if the fault changes nothing, for it would prove nothing."""
        mutated = copy.deepcopy(base)
        self.edit(mutated)
        if mutated == base:
            raise ValueError(f"mutant {self.name!r} is the sound template")
        return mutated


def put(path: str, value: Any) -> Edit:
    """Set what `path` leads to: through a resource's properties, or from the top if it begins with a slash."""

    def edit(template: TemplateData) -> None:
        parent, key = _find(template, path)
        parent[key] = value

    return edit


def drop(path: str) -> Edit:
    """Remove what `path` leads to. Raises `KeyError` if it is not there."""

    def edit(template: TemplateData) -> None:
        parent, key = _find(template, path)
        del parent[key]

    return edit


def append(path: str, value: Any) -> Edit:
    """Add `value` to the list that `path` leads to, which is made if it is not there."""

    def edit(template: TemplateData) -> None:
        parent, key = _find(template, path)
        if isinstance(parent, dict):
            parent.setdefault(key, [])
        parent[key].append(value)

    return edit


def replace(path: str, old: str, new: str) -> Edit:
    """Replace a piece of the text that `path` leads to. Raises `ValueError` if it is not there."""

    def edit(template: TemplateData) -> None:
        parent, key = _find(template, path)
        if old not in parent[key]:
            raise ValueError(f"{path} has no {old!r}")
        parent[key] = parent[key].replace(old, new)

    return edit


def _find(template: TemplateData, path: str) -> tuple[Any, Any]:
    """The container of what `path` leads to, and its key there. `{Name}` is the one key that begins with `Name`."""
    first, *rest = path.removeprefix("/").split("/")
    steps = [first, *rest] if path.startswith("/") else ["Resources", first, "Properties", *rest]
    parent: Any = template
    for step in steps[:-1]:
        parent = parent[_key(parent, step)]
    return parent, _key(parent, steps[-1])


def _key(parent: Any, step: str) -> Any:
    if isinstance(parent, list):
        return int(step)
    if step.startswith("{"):
        (step,) = (key for key in parent if key.startswith(step[1:-1]))
    return step
