"""The emulator's process: `python -m local_cloud.emulator --aws-port N --api-port N --state DIR [--keep]`."""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from local_cloud.front_door import FrontDoor

HOST = "127.0.0.1"


def configure(aws_port: int, state: Path, *, keep: bool) -> None:
    """Set what the emulator reads from its environment when it is imported."""
    os.environ.update(
        BIND_HOST=HOST,
        # Names itself by address: S3 URLs then keep the bucket in the path, which needs no name resolution.
        MINISTACK_HOST=HOST,
        GATEWAY_PORT=str(aws_port),
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        LAMBDA_EXECUTOR="local",
        PERSIST_STATE="1" if keep else "0",
        STATE_DIR=str(state / "services"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(state / "s3"),
        LOG_LEVEL="INFO",
    )


async def serve(aws_port: int, api_port: int) -> None:
    """Serve both ports until SIGTERM or SIGINT; what is to be kept is written before this returns."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    from local_cloud import additions

    additions.install()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    config = Config()
    config.bind = [f"{HOST}:{aws_port}", f"{HOST}:{api_port}"]
    config.graceful_timeout = 2
    await hypercorn_serve(FrontDoor(app, api_port), config, shutdown_trigger=stopping.wait)  # type: ignore[arg-type]


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aws-port", type=int, required=True)
    parser.add_argument("--api-port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    configure(arguments.aws_port, arguments.state, keep=arguments.keep)
    asyncio.run(serve(arguments.aws_port, arguments.api_port))


if __name__ == "__main__":
    main()
