"""What a team has chosen for its system: deploy.toml, which is meant to be committed, as checked data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gameforge.template_file import TemplateFile
from jobs.names import PROJECT_DEFAULT

SETTINGS_FILE: Final = Path("deploy.toml")


class SettingsError(Exception):
    """deploy.toml or the options say something that can't be; the text says what, and what could be."""


@dataclass(frozen=True)
class Settings:
    """The choices. `parameters` has, for each stack, template parameters by name, as text."""

    project: str = PROJECT_DEFAULT
    region: str | None = None
    vpc_id: str | None = None
    subnet_ids: tuple[str, ...] = ()
    with_network: bool = False
    with_image: bool = False
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.vpc_id) != bool(self.subnet_ids):
            raise SettingsError("vpc_id and subnet_ids belong together: give both, or neither.")
        if self.vpc_id and self.with_network:
            raise SettingsError("with_network makes a VPC, and vpc_id names one: give one of the two.")


def read_settings(path: Path, templates: Mapping[str, TemplateFile]) -> Settings:
    """Read deploy.toml. Raises `SettingsError` for what no stack of `templates` has."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    rest = {name: value for name, value in content.items() if name not in tables}
    if unknown := sorted(rest.keys() - _TYPES.keys()):
        raise SettingsError(f"{path}: {unknown[0]} is no setting. There are: {', '.join(_TYPES)}.")
    for name, value in rest.items():
        if not isinstance(value, _TYPES[name]):
            raise SettingsError(f"{path}: {name} must be {_TYPE_NAMES[_TYPES[name]]}.")
    if unknown := sorted(tables.keys() - templates.keys()):
        raise SettingsError(f"{path}: [{unknown[0]}] is no stack. There are: {', '.join(templates)}.")
    parameters = {stack: _parameters(path, stack, table, templates[stack]) for stack, table in tables.items()}
    subnet_ids = tuple(map(str, rest.pop("subnet_ids", ())))
    return Settings(**rest, subnet_ids=subnet_ids, parameters=parameters)


_TYPES: Final[dict[str, type]] = {
    "project": str,
    "region": str,
    "vpc_id": str,
    "subnet_ids": list,
    "with_network": bool,
    "with_image": bool,
}
_TYPE_NAMES: Final = {str: "a text in quotes", list: "a list of texts", bool: "true or false"}
# The command line fills these in by itself.
_COMPUTED: Final = ("Project", "VpcId", "SubnetIds", "LambdaCodeKey")


def _parameters(path: Path, stack: str, table: Mapping[str, Any], template: TemplateFile) -> dict[str, str]:
    known = [name for name in template.parameters if name not in _COMPUTED]
    for name in table:
        if name in _COMPUTED:
            raise SettingsError(
                f"{path}: {name} of [{stack}] is filled in from project, vpc_id, subnet_ids or with_network."
            )
        if name not in known:
            raise SettingsError(f"{path}: the {stack} stack has no parameter {name}. It has: {', '.join(known)}.")
    return {name: _text(value) for name, value in table.items()}


def _text(value: Any) -> str:
    """A TOML value as CloudFormation takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value)
