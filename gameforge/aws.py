"""One caller's way to AWS: the SDK session and the AWS CLI, with the same credentials, region and endpoint."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from gameforge.aws_errors import AwsError, explained


@dataclass(frozen=True)
class Aws:
    """The session for calls from Python, and the environment that makes the AWS CLI the same caller."""

    session: boto3.Session
    environment: Mapping[str, str]
    endpoint_url: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def region(self) -> str:
        """The region that everything goes to."""
        return str(self.session.region_name)

    def client(self, service: str) -> Any:
        """A boto3 client of `service`."""
        if service not in self._clients:
            made = self.session.client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]
            self._clients[service] = made
        return self._clients[service]

    def start_cli(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `aws ARGUMENTS`, with its output in pipes. Raises `AwsError` if it is not installed."""
        return subprocess.Popen(  # noqa: S603 - our own arguments
            [_cli(), *arguments],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def callers_aws(profile: str | None, region: str | None) -> Aws:
    """AWS as the caller's environment and configuration have it. Credentials are looked for at the first call only.

    Raises `AwsError` for a profile that is not there, and where no region is chosen.
    """
    with explained():
        session = boto3.Session(profile_name=profile, region_name=region)
    if session.region_name is None:
        raise AwsError(
            "no AWS region is chosen. Give --region, put region into deploy.toml, or set AWS_REGION, "
            "for instance to us-east-1."
        )
    environment = {
        **os.environ,
        "AWS_REGION": session.region_name,
        "AWS_DEFAULT_REGION": session.region_name,
        "AWS_PAGER": "",
        **({"AWS_PROFILE": profile} if profile else {}),
    }
    return Aws(session, environment)


def _cli() -> str:
    # Beside our interpreter first: that one is pinned and tested together with the templates.
    beside = Path(sys.executable).with_name("aws")
    found = str(beside) if beside.exists() else shutil.which("aws")
    if found is None:
        raise AwsError("the AWS CLI is not installed here. Run `make setup`, or install it from aws.amazon.com/cli.")
    return found
