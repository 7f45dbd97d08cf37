"""`gameforge deploy`, `diff` and `destroy`: the stacks in the caller's AWS account."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from build_lambda import build as build_lambda_package
from gameforge.aws import callers_aws
from gameforge.aws_errors import AwsError, explained
from gameforge.options import (
    Config,
    Profile,
    Project,
    Region,
    SubnetIds,
    VpcId,
    WithImage,
    WithNetwork,
    load_settings,
    reporting,
)
from gameforge.settings import Settings
from gameforge.stack import Stack
from gameforge.stack_changes import Change
from gameforge.stack_progress import StackProgress
from gameforge.system import API, FOUNDATION, System, read_templates
from gameforge.teardown import deployed, destroy, stored_data

PACKAGES: Final = Path(__file__).resolve().parent.parent / "build" / "lambda-aws"

console = Console(highlight=False)


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

    The order is network (if asked for), foundation, image (if asked for), gpu-cluster, api, observability. What
    deploy.toml does not name keeps the value that the stack has. The hosts go into the VPC that you name, else the
    one of the network stack, else the one they are in already, else the region's default VPC.
    """
    with reporting(), StackProgress(console) as progress:
        settings = load_settings(config, project, region, vpc_id, subnet_ids, with_network, with_image)
        system = _system(settings, profile, progress)
        package = _build_package(progress)
        system.deploy(package)
        with explained():
            outputs = system.stack(API).outputs()
    console.print(f"\nThe API is at {outputs['ApiUrl']}. Make a key for it:", markup=False, soft_wrap=True)
    console.print(
        f"  gameforge keys create NAME --project {settings.project} --region {system.aws.region}",
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
    with reporting(), StackProgress(console) as progress:
        settings = load_settings(config, project, region, vpc_id, subnet_ids, with_network, with_image)
        system = _system(settings, profile, progress)
        package = _build_package(progress)
        progress.say("comparing the stacks")
        found = system.changes(package)
        with explained():
            new = {stack for stack in found if Stack(system.aws, stack).describe() is None}
    for stack, entries in found.items():
        _print_changes(stack, entries, new=stack in new)


def destroy_command(
    project: Project = None,
    region: Region = None,
    profile: Profile = None,
    delete_data: Annotated[
        bool,
        typer.Option(
            "--delete-data", help="Also delete the foundation stack: pictures, models, jobs, container images."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout_minutes: Annotated[int, typer.Option(min=1, help="How long to wait for one stack.")] = 30,
    config: Config = None,
) -> None:
    """Take the stacks down, the last one first. What is stored stays, unless you say --delete-data.

    The foundation stack holds what is stored, so it stays too; `gameforge deploy` goes on with it. It can be run again
    after an error or an interruption, and takes up what is left.
    """
    with reporting():
        settings = load_settings(config, project, region)
        with StackProgress(console) as progress:
            system = _system(settings, profile, progress)
            present = deployed(system)
            data = stored_data(system)
        if not present or (present == [FOUNDATION] and not delete_data):
            rest = (
                " but the foundation stack; --delete-data deletes that too, with all that is stored" if present else ""
            )
            console.print(f"Nothing of {settings.project} is deployed in {system.aws.region}{rest}.")
            return
        _confirm(system, present, data, delete_data=delete_data, yes=yes)
        with StackProgress(console) as progress:
            system = dataclasses.replace(system, say=progress.say, on_event=progress.show)
            destroy(system, delete_data=delete_data, timeout_seconds=timeout_minutes * 60)


def _system(settings: Settings, profile: str | None, progress: StackProgress) -> System:
    with explained():
        aws = callers_aws(profile, settings.region)
        identity = aws.client("sts").get_caller_identity()
    progress.say(f"{settings.project} in account {identity['Account']}, region {aws.region}")
    return System(aws, settings, read_templates(), progress.say, progress.show)


def _build_package(progress: StackProgress) -> Path:
    progress.say("building the Lambda package")
    return build_lambda_package(PACKAGES, "aws")


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


def _print_changes(stack: str, entries: list[Change], *, new: bool) -> None:
    if not entries:
        console.print(f"[bold]{stack}[/]: no changes")
        return
    what = f"not deployed yet, all {len(entries)} resources are new" if new else f"{len(entries)} changes"
    console.print(f"[bold]{stack}[/]: {what}")
    rows = [("action", "resource", "type", "replacement", "because of")]
    rows += [(e.action, e.resource, e.resource_type, e.replacement, ", ".join(e.causes)) for e in entries]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        # As wide as it needs to be: a terminal wraps it, and a build log keeps it whole.
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        style = "dim" if row is rows[0] else "red" if row[3] == "yes" else None
        console.print(f"  {line.rstrip()}", markup=False, soft_wrap=True, style=style)
