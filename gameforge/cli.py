"""`gameforge`: the commands."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gameforge import keys
from gameforge.client import Client, ClientError
from gameforge.cost_command import cost_command
from gameforge.doctor.command import doctor_command
from gameforge.endpoint import ENV_KEY, ENV_URL, NoEndpointError, find_endpoint
from gameforge.logs_command import logs_command
from gameforge.stack_commands import deploy_command, destroy_command, diff_command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(keys.app, name="keys")
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

app.command("cost")(cost_command)
app.command("deploy")(deploy_command)
app.command("diff")(diff_command)
app.command("destroy")(destroy_command)
app.command("doctor")(doctor_command)
app.command("logs")(logs_command)


@app.callback()
def main() -> None:
    """GameForge SDXL: your own image API."""


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    count: Annotated[int, typer.Option("--count", "-n", help="How many pictures.")] = 1,
    negative_prompt: Annotated[str | None, typer.Option("--negative", help="What it should not show.")] = None,
    width: Annotated[int | None, typer.Option(help="Pixels, a multiple of 8. Default: the model's size.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels, a multiple of 8. Default: the model's size.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the prompt.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same picture.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files.")] = Path("generated"),
    url: Annotated[str | None, typer.Option(envvar=ENV_URL, help="The API. Default: the local cloud.")] = None,
    key: Annotated[str | None, typer.Option(envvar=ENV_KEY, help="The API key. Default: the local cloud's.")] = None,
) -> None:
    """Make pictures from a prompt, and write them as PNG files."""
    try:
        endpoint = find_endpoint(url, key)
        with Client(endpoint.url, endpoint.key) as client:
            accepted = client.submit(
                prompt=prompt,
                num_images=count,
                negative_prompt=negative_prompt,
                width=width,
                height=height,
                num_inference_steps=steps,
                guidance_scale=guidance,
                seed=seed,
            )
            job = _wait(client, accepted)
            if job["status"] != "succeeded":
                cause = f": {job['error']['message']}" if job["error"] else ""
                raise ClientError(f"job {job['id']} {job['status']}{cause}")
            paths = client.download(job, output, f"{_slug(prompt)}-{job['id'][:8]}")
    except (ClientError, NoEndpointError) as error:
        errors.print(f"[bold red]gameforge:[/] {error}")
        raise typer.Exit(1) from None
    for path, image in zip(paths, job["images"], strict=True):
        console.print(f"{path}  {image['width']}x{image['height']}  seed {image['seed']}", soft_wrap=True)


def _wait(client: Client, accepted: dict[str, Any]) -> dict[str, Any]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("queued", total=None)

        def show(job: dict[str, Any]) -> None:
            steps = job["progress"] or {}
            total = steps.get("total_steps") or None
            text = f"{job['status']}, step {steps['step']} of {total}" if total else job["status"]
            progress.update(task, description=text, total=total, completed=steps.get("step", 0))

        return client.wait(accepted, show)


def _slug(prompt: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40] or "image"
