"""What the commands that speak to AWS have in common: their options, the settings, and how errors are told."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from build_lambda import BuildError
from gameforge.aws_errors import AwsError
from gameforge.settings import SETTINGS_FILE, Settings, SettingsError, read_settings
from gameforge.system import read_templates

errors = Console(stderr=True, highlight=False)

Project = Annotated[
    str | None, typer.Option(help="Prefix of all names; several systems can share an account. Default: gameforge.")
]
Region = Annotated[str | None, typer.Option(help="AWS region. Default: that of your AWS configuration.")]
Profile = Annotated[str | None, typer.Option(help="Profile of your AWS configuration. Default: AWS_PROFILE.")]
Config = Annotated[
    Path | None, typer.Option(help="File with your choices. Default: deploy.toml in this folder, if there is one.")
]
VpcId = Annotated[str | None, typer.Option(help="VPC of the GPU hosts; give --subnet-ids with it.")]
SubnetIds = Annotated[
    str | None, typer.Option(help="Subnets of that VPC with a way out, separated by commas, best one in each zone.")
]
WithNetwork = Annotated[
    bool, typer.Option("--with-network", help="Make a VPC with the network stack, and use that. NAT costs money.")
]
WithImage = Annotated[
    bool, typer.Option("--with-image", help="Also deploy the project that builds the worker's image on AWS.")
]


def load_settings(
    config: Path | None,
    project: str | None,
    region: str | None,
    vpc_id: str | None = None,
    subnet_ids: str | None = None,
    with_network: bool = False,
    with_image: bool = False,
) -> Settings:
    """deploy.toml, overridden by the options that are given. Raises `SettingsError`."""
    path = config or (SETTINGS_FILE if SETTINGS_FILE.exists() else None)
    settings = read_settings(path, read_templates()) if path else Settings()
    given: dict[str, Any] = {"project": project, "region": region}
    if vpc_id or subnet_ids:
        ids = tuple(filter(None, map(str.strip, (subnet_ids or "").split(","))))
        given |= {"vpc_id": vpc_id, "subnet_ids": ids, "with_network": with_network}
    elif with_network:
        given |= {"vpc_id": "", "subnet_ids": (), "with_network": True}
    given["with_image"] = with_image or None
    return dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})


@contextmanager
def reporting() -> Iterator[None]:
    """Errors that a person can act on, as one message and an exit code."""
    try:
        yield
    except (AwsError, SettingsError, BuildError) as error:
        errors.print("[bold red]gameforge:[/]", end=" ")
        errors.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print(
            "gameforge: stopped watching. What AWS has begun goes on there; run this again to see how it ended."
        )
        raise typer.Exit(130) from None
