"""`gameforge doctor`: prints the checks, a line each, or all of them as JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Console

from gameforge.aws import callers_aws
from gameforge.aws_errors import explained
from gameforge.doctor.examination import examine
from gameforge.doctor.result import Mark, Result
from gameforge.options import (
    Config,
    Profile,
    Project,
    Region,
    SubnetIds,
    VpcId,
    WithNetwork,
    load_settings,
    reporting,
)
from gameforge.system import System, read_templates

console = Console(highlight=False)

_SIGNS: Final = {Mark.PASS: "[green]pass[/]", Mark.WARN: "[yellow]warn[/]", Mark.FAIL: "[bold red]FAIL[/]"}


def doctor_command(
    project: Project = None,
    region: Region = None,
    profile: Profile = None,
    vpc_id: VpcId = None,
    subnet_ids: SubnetIds = None,
    with_network: WithNetwork = False,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check whether `gameforge deploy` with the same options could work: quotas, zones, network, image, roles.

    It only reads. The exit code is 0 if nothing fails; a warning says what could be better.
    """
    with reporting():
        settings = load_settings(config, project, region, vpc_id, subnet_ids, with_network)
        with explained():
            system = System(callers_aws(profile, settings.region), settings, read_templates())
        if as_json:
            results = list(examine(system))
            fine = all(result.mark is not Mark.FAIL for result in results)
            document = {"ok": fine, "region": system.aws.region, "checks": [asdict(result) for result in results]}
            print(json.dumps(document, indent=2))
        else:
            fine = _print(examine(system))
    if not fine:
        raise typer.Exit(1)


def _print(results: Iterable[Result]) -> bool:
    marks = dict.fromkeys(Mark, 0)
    for result in results:
        marks[result.mark] += 1
        console.print(f"{_SIGNS[result.mark]}  [bold]{result.name}[/]: ", end="")
        console.print(result.message, markup=False, soft_wrap=True)
        if result.fix:
            console.print(f"      fix: {result.fix}", markup=False, soft_wrap=True)
    if marks[Mark.FAIL]:
        console.print(f"\nA deployment would not work: {marks[Mark.FAIL]} to fix, {marks[Mark.WARN]} warnings.")
    else:
        console.print(f"\nA deployment could work; {marks[Mark.WARN]} warnings.")
    return not marks[Mark.FAIL]
