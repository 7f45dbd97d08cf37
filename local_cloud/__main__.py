"""`make up`: keeps the laptop cloud running, with a live log, until Ctrl-C."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from rich.console import Console

from gameforge.aws_errors import AwsError
from local_cloud import STATE
from local_cloud.cloud import API_PORT_DEFAULT, AWS_PORT_DEFAULT, LocalCloud
from local_cloud.log_lines import readable
from local_cloud.processes import CloudError


def main() -> int:
    """Run until SIGINT or SIGTERM. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="local_cloud", description=__doc__)
    parser.add_argument("--port", type=int, default=API_PORT_DEFAULT, help="port of the API (default %(default)s)")
    parser.add_argument("--aws-port", type=int, default=AWS_PORT_DEFAULT, help="port of AWS (default %(default)s)")
    parser.add_argument("--state", type=Path, default=STATE, help="folder of its data (default build/local_cloud)")
    parser.add_argument("--keep", action="store_true", help="go on with the jobs and pictures of the last run")
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        # While it is still starting, the exception is what unwinds it.
        if not stopped.is_set() and not started:
            raise KeyboardInterrupt
        stopped.set()

    started = False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)

    def show(line: str) -> None:
        if (text := readable(line)) is not None:
            console.print(text, markup=False)

    cloud = LocalCloud(
        api_port=arguments.port,
        aws_port=arguments.aws_port,
        state=arguments.state,
        keep=arguments.keep,
        say=lambda text: console.print(f"[cyan]local cloud[/]  {text}"),
        on_log_line=show,
    )
    try:
        with cloud:
            started = True
            console.print(f"\n[bold green]The API is up at {cloud.url}[/]. Ask it for a picture:\n")
            console.print(
                f"  curl -si {cloud.url}/v1/generations -H 'x-api-key: {cloud.key}' \\\n"
                "    -H 'content-type: application/json' -d '{\"prompt\": \"a red potion\"}'\n\n"
                '  or, in another terminal:  .venv/bin/gameforge generate "a red potion"\n\n'
                "Ctrl-C ends it.\n",
                markup=False,
            )
            stopped.wait()
            console.print("[cyan]local cloud[/]  stopping")
    except KeyboardInterrupt:
        console.print("[cyan]local cloud[/]  stopped before it was up")
        return 130
    except (CloudError, AwsError) as error:
        console.print(f"[bold red]local cloud:[/] {error}", style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
