"""`make demo`: the whole system once, from nothing to a sheet of pictures, and down again."""

import argparse
import io
import sys
import time
from typing import Any, Final

import httpx
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console

from gameforge.aws_errors import AwsError
from gameforge.client import Client, ClientError
from jobs.job import seconds_between
from local_cloud import BUILD, DEMO_STATE
from local_cloud.cloud import API_PORT_DEFAULT, AWS_PORT_DEFAULT, LocalCloud
from local_cloud.processes import CloudError

PROMPTS: Final = ("a red heart", "a blue gem", "a green potion", "a yellow key")
PICTURES_EACH: Final = 4
STEPS: Final = 20
SCALE: Final = 2
MARGIN_PX: Final = 12
LABEL_PX: Final = 180
SHEET: Final = BUILD / "demo" / "contact-sheet.png"


def contact_sheet(rows: list[tuple[str, list[Image.Image]]]) -> Image.Image:
    """One row a prompt: its text, then its pictures, enlarged."""
    cell = rows[0][1][0].width * SCALE + MARGIN_PX
    width = LABEL_PX + cell * len(rows[0][1]) + MARGIN_PX
    sheet = Image.new("RGB", (width, cell * len(rows) + MARGIN_PX), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=20)
    for row, (prompt, pictures) in enumerate(rows):
        top = MARGIN_PX + row * cell
        draw.text((MARGIN_PX, top + (cell - MARGIN_PX) // 2), prompt, fill="black", font=font, anchor="lm")
        for column, picture in enumerate(pictures):
            larger = picture.resize((cell - MARGIN_PX, cell - MARGIN_PX), Image.Resampling.LANCZOS)
            sheet.paste(larger, (LABEL_PX + column * cell, top))
    return sheet


def timeline(job: dict[str, Any]) -> list[str]:
    """The life of one finished job, a line each: what happened, and how many seconds after it was accepted."""
    accepted = job["created_at"]
    moments = (("queued", "queued_at"), ("started", "started_at"), ("finished", "finished_at"))
    lines = [f"  {'accepted':<9} {accepted[11:23]}"]
    previous = accepted
    for name, field in moments:
        since = seconds_between(accepted, job[field])
        step = seconds_between(previous, job[field])
        lines.append(f"  {name:<9} {job[field][11:23]}  +{step:.3f} s, {since:.3f} s since it was accepted")
        previous = job[field]
    return lines


def run(cloud: LocalCloud, console: Console, started: float) -> None:
    """Ask for the pictures through the API, lay them out, and say how it went. Raises `ClientError`."""
    with Client(cloud.url, cloud.key) as client:
        accepted = [
            client.submit(prompt=prompt, num_images=PICTURES_EACH, num_inference_steps=STEPS, seed=7)
            for prompt in PROMPTS
        ]
        console.print(f"asked {cloud.url} for {len(PROMPTS)} prompts, {PICTURES_EACH} pictures each")
        rows: list[tuple[str, list[Image.Image]]] = []
        ended: list[dict[str, Any]] = []
        for prompt, job in zip(PROMPTS, accepted, strict=True):
            ended.append(client.wait(job))
            if ended[-1]["status"] != "succeeded":
                raise ClientError(f"“{prompt}” {ended[-1]['status']}: {ended[-1]['error']}")
            pictures: list[Image.Image] = [
                Image.open(io.BytesIO(_fetch(image["url"]))) for image in ended[-1]["images"]
            ]
            rows.append((prompt, pictures))
            console.print(f"{time.monotonic() - started:5.1f} s  “{prompt}”")
    first = ended[0]
    SHEET.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows).save(SHEET)
    console.print(f"\n“{PROMPTS[0]}”, job {first['id']}, on {first['device']}:")
    for line in timeline(first):
        console.print(line)
    console.print(f"\n[bold green]The sheet:[/] {SHEET}", soft_wrap=True)


def _fetch(url: str) -> bytes:
    try:
        response = httpx.get(url, timeout=30)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise ClientError(f"a picture could not be fetched: {error}") from error
    return response.content


def main() -> int:
    """Run the demo. Returns 0 only if every picture was made and everything was taken down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=API_PORT_DEFAULT, help="port of the API (default %(default)s)")
    parser.add_argument("--aws-port", type=int, default=AWS_PORT_DEFAULT, help="port of AWS (default %(default)s)")
    arguments = parser.parse_args()
    started = time.monotonic()
    console = Console(highlight=False)
    cloud = LocalCloud(
        api_port=arguments.port,
        aws_port=arguments.aws_port,
        state=DEMO_STATE,
        say=lambda text: console.print(f"{time.monotonic() - started:5.1f} s  {text}", soft_wrap=True),
    )
    try:
        with cloud:
            run(cloud, console, started)
    except KeyboardInterrupt:
        return 130
    except (CloudError, AwsError, ClientError) as error:
        console.print(f"[bold red]demo:[/] {error}", soft_wrap=True)
        return 1
    console.print(f"Everything is down again after {time.monotonic() - started:.1f} s. Next: make up")
    return 0


if __name__ == "__main__":
    sys.exit(main())
