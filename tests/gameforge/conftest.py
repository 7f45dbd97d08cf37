"""An emulated AWS of its own, and the command line pointed at it, with the Lambda package built once."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import build_lambda
from gameforge import stack, stack_commands
from gameforge.aws import Aws
from gameforge.cli import app
from local_cloud.deployment import emulated_aws
from local_cloud.processes import free_port

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    aws_port, state = free_port(), tmp_path_factory.mktemp("emulator")
    arguments = ["--aws-port", str(aws_port), "--api-port", str(free_port()), "--state", str(state)]
    endpoint = f"http://127.0.0.1:{aws_port}"
    with (state / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_cloud.emulator", *arguments], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{endpoint}/_ministack/ready", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, (state / "log").read_text()
                assert time.monotonic() < deadline, "the emulator did not start"
                time.sleep(0.1)
        yield emulated_aws(endpoint)
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="session")
def lambda_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_lambda.build(tmp_path_factory.mktemp("lambda"))


@pytest.fixture(scope="module")
def run(aws: Aws, lambda_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs `gameforge ARGUMENTS` with the emulator as its AWS, in an empty folder."""

    def invoke(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(app, list(arguments), **options)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        patch.setattr(stack_commands, "build_lambda_package", lambda output, platform: lambda_package)
        patch.setattr(stack, "POLL_SECONDS", 0.2)
        patch.chdir(tmp_path_factory.mktemp("empty"))
        yield invoke


def settings_file(folder: Path, text: str) -> str:
    path = folder / "deploy.toml"
    path.write_text(text)
    return str(path)
