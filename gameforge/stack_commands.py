"""`gameforge deploy`, `diff` and `destroy`: the stacks in the caller's AWS account."""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

import build_lambda
from gameforge.aws import callers_aws
from gameforge.aws_errors import AwsError, explained
from gameforge.settings import SETTINGS_FILE, Settings, SettingsError, read_settings
from gameforge.stack_changes import Change
from gameforge.stack_progress import StackProgress
from gameforge.system import API, FOUNDATION, System, read_templates
from gameforge.teardown import deployed, destroy, stored_data

PACKAGES: Final = Path(__file__).resolve().parent.parent / "build" / "lambda-aws"

console = Console(highlight=False)
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


def deploy_command(
    project: Project = None,
    region: Region = None,
    profile: Profile = None,
    vpc_id: VpcId = None,
    subnet_ids: SubnetIds = None,
    with_network: WithNetwork = False,
    with_image: WithImage = False,
    config: Config = None,
) -> None:
    """Deploy or update the stacks in your AWS account, with the AWS CLI.

    The order is network (if asked for), foundation, image (if asked for), gpu-cluster, api. What you say neither here nor
    in deploy.toml keeps the value that the stack has. The hosts go into the VPC that you name, else the one of the network
    stack, else the one they are in, else the region's default VPC.
    """
    with _reporting(), StackProgress(console) as progress:
        settings = load_settings(config, project, region, vpc_id, subnet_ids, with_network, with_image)
        system = _system(settings, profile, progress)
        package = _build_package(progress)
        system.deploy(package)
        with explained():
            outputs = system.stack(API).outputs()
    console.print(f"\nThe API is at {outputs['ApiUrl']}. Its key:", markup=False, soft_wrap=True)
    console.print(
        f"  aws apigateway get-api-key --include-value --query value --output text --api-key {outputs['ApiKeyId']} "
        f"--region {system.aws.region}",
        markup=False,
        soft_wrap=True,
    )


def diff_command(
    project: Project = None,
    region: Region = None,
    profile: Profile = None,
    vpc_id: VpcId = None,
    subnet_ids: SubnetIds = None,
    with_network: WithNetwork = False,
    with_image: WithImage = False,
    config: Config = None,
) -> None:
    """Show what `gameforge deploy` with the same options would change. Changes nothing.

    Each deployed stack is compared by a CloudFormation change set, which is deleted afterwards.
    """
    with _reporting(), StackProgress(console) as progress:
        settings = load_settings(config, project, region, vpc_id, subnet_ids, with_network, with_image)
        system = _system(settings, profile, progress)
        package = _build_package(progress)
        progress.say("comparing the stacks")
        found = system.changes(package)
        existing = {system.stack(name).name for name in deployed(system)}
    for stack, entries in found.items():
        console.print(_changes_table(stack, entries, new=stack not in existing) if entries else f"{stack}: no changes")


def destroy_command(
    project: Project = None,
    region: Region = None,
    profile: Profile = None,
    delete_data: Annotated[
        bool,
        typer.Option("--delete-data", help="Also delete the foundation stack: pictures, models, jobs, container images."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout_minutes: Annotated[int, typer.Option(min=1, help="How long to wait for one stack.")] = 30,
    config: Config = None,
) -> None:
    """Take the stacks down, the last one first. What is stored stays, unless you say --delete-data.

    The foundation stack holds what is stored, so it stays too; `gameforge deploy` goes on with it. It can be run again
    after an error or an interruption, and takes up what is left.
    """
    with _reporting():
        settings = load_settings(config, project, region)
        with StackProgress(console) as progress:
            system = _system(settings, profile, progress)
            present = deployed(system)
            data = stored_data(system)
        if not present or (present == [FOUNDATION] and not delete_data):
            rest = " but the foundation stack; --delete-data deletes that too, with all that is stored" if present else ""
            console.print(f"Nothing of {settings.project} is deployed in {system.aws.region}{rest}.")
            return
        _confirm(system, present, data, delete_data=delete_data, yes=yes)
        with StackProgress(console) as progress:
            system = dataclasses.replace(system, say=progress.say, on_event=progress.show)
            destroy(system, delete_data=delete_data, timeout_seconds=timeout_minutes * 60)


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
    given: dict[str, object] = {"project": project, "region": region}
    if vpc_id or subnet_ids:
        ids = tuple(filter(None, map(str.strip, (subnet_ids or "").split(","))))
        given |= {"vpc_id": vpc_id, "subnet_ids": ids, "with_network": with_network}
    elif with_network:
        given |= {"vpc_id": "", "subnet_ids": (), "with_network": True}
    given["with_image"] = with_image or None
    return dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})


def _system(settings: Settings, profile: str | None, progress: StackProgress) -> System:
    with explained():
        aws = callers_aws(profile, settings.region)
        identity = aws.client("sts").get_caller_identity()
    progress.say(f"{settings.project} in account {identity['Account']}, region {aws.region}")
    return System(aws, settings, read_templates(), progress.say, progress.show)


def _build_package(progress: StackProgress) -> Path:
    progress.say("building the Lambda package")
    return build_lambda.build(PACKAGES, "aws")


def _confirm(system: System, present: list[str], data: list[str], *, delete_data: bool, yes: bool) -> None:
    going = [system.stack(name).name for name in present if delete_data or name != FOUNDATION]
    console.print(f"This deletes the stacks {', '.join(going)}.", soft_wrap=True)
    if delete_data and data:
        console.print(f"[bold red]And for good, with all that is in it:[/] {', '.join(data)}.", soft_wrap=True)
    elif data:
        console.print(f"It keeps {', '.join(data)}.", soft_wrap=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise AwsError("nobody can be asked here; say --yes if you mean it.")
    if not typer.confirm("Go on?"):
        raise typer.Exit(1)


def _changes_table(stack: str, entries: list[Change], *, new: bool) -> Table:
    title = f"{stack}: not deployed yet, all {len(entries)} resources are new" if new else f"{stack}: {len(entries)} changes"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for heading in ("action", "resource", "type", "replacement", "because of"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        replacement = f"[red]{entry.replacement}[/]" if entry.replacement == "yes" else entry.replacement
        table.add_row(entry.action, entry.resource, entry.resource_type, replacement, ", ".join(entry.causes))
    return table


@contextmanager
def _reporting() -> Iterator[None]:
    """Errors that a person can act on, as one message and an exit code."""
    try:
        yield
    except (AwsError, SettingsError, build_lambda.BuildError) as error:
        errors.print("[bold red]gameforge:[/]", end=" ")
        errors.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("gameforge: stopped watching. What AWS has begun goes on there; run this again to see how it ended.")
        raise typer.Exit(130) from None
