"""`gameforge keys`: make, list and revoke API keys, in the AWS account of the present profile or in the local cloud."""

import json
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from gameforge.aws import Aws, callers_aws
from gameforge.aws_errors import AwsError, explained
from gameforge.options import Profile, Project, Region, load_settings, reporting
from jobs.keys import LIMITS_DEFAULT, KeyNameError, KeyStore, Limits
from local_cloud import ENDPOINT_FILE
from local_cloud.deployment import emulated_aws

app = typer.Typer(no_args_is_help=True, help="API keys: make, list and revoke.")
console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Name = Annotated[str, typer.Argument(help="Who uses the key: its jobs and log lines carry this name.")]
Local = Annotated[bool, typer.Option("--local", help="In the local cloud that is running, instead of in AWS.")]

Result = TypeVar("Result")


@app.command()
def create(
    name: Name,
    requests_per_minute: Annotated[int, typer.Option(min=1)] = LIMITS_DEFAULT.requests_per_minute,
    unfinished_jobs: Annotated[int, typer.Option(min=1, max=1000)] = LIMITS_DEFAULT.unfinished_jobs,
    pixel_steps_per_day: Annotated[
        int, typer.Option(min=1, help="Width x height x steps x images, summed over a UTC day.")
    ] = LIMITS_DEFAULT.pixel_steps_per_day,
    project: Project = None,
    region: Region = None,
    profile: Profile = None,
    local: Local = False,
) -> None:
    """Make a key. It is shown once, and can't be shown again."""
    limits = Limits(requests_per_minute, unfinished_jobs, pixel_steps_per_day)
    new = _ask(lambda store: store.create(name, limits), project, region, profile, local)
    console.print(f"key             {new.key}", markup=False)
    console.print(f"webhook secret  {new.webhook_secret}", markup=False)
    errors.print("Keep both now: they are not stored in a form that can be shown again.")


@app.command("list")
def list_keys(project: Project = None, region: Region = None, profile: Profile = None, local: Local = False) -> None:
    """Show the names, limits and dates of all keys."""
    table = Table(box=None, pad_edge=False)
    for title in ("name", "requests/min", "unfinished jobs", "pixel-steps/day", "created", "revoked"):
        table.add_column(title, justify="right" if "/" in title or "jobs" in title else "left")
    for record in _ask(KeyStore.records, project, region, profile, local):
        limits = record.limits
        numbers = (limits.requests_per_minute, limits.unfinished_jobs, limits.pixel_steps_per_day)
        dates = (record.created_at[:10], (record.revoked_at or "")[:10])
        table.add_row(record.name, *(f"{number:,}" for number in numbers), *dates)
    console.print(table)


@app.command()
def revoke(
    name: Name, project: Project = None, region: Region = None, profile: Profile = None, local: Local = False
) -> None:
    """Let a key open nothing any more, from 10 seconds from now at the latest."""
    _ask(lambda store: store.revoke(name), project, region, profile, local)
    console.print(f"revoked {name}", markup=False)


def _ask(
    question: Callable[[KeyStore], Result], project: str | None, region: str | None, profile: str | None, local: bool
) -> Result:
    """What the key table answers, or a message and exit code 1."""
    with reporting():
        settings = load_settings(None, project, region)
        aws = _local_aws() if local else callers_aws(profile, settings.region)
        try:
            with explained():
                return question(KeyStore(aws.client("dynamodb"), f"{settings.project}-keys"))
        except KeyNameError as error:
            raise AwsError(str(error)) from None


def _local_aws() -> Aws:
    try:
        return emulated_aws(json.loads(ENDPOINT_FILE.read_text())["aws_url"])
    except FileNotFoundError:
        raise AwsError("no local cloud is running. Start one with `make up`.") from None
