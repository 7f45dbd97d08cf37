"""Spot notices from the EC2 instance metadata: two minutes before a spot host is reclaimed, it says so."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Final

from aws_lambda_powertools import Logger

from jobs.logs import Event, log_event

# Where the SDKs look for another address of the metadata service, too.
ENV_METADATA_ENDPOINT: Final = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
METADATA_ENDPOINT_DEFAULT: Final = "http://169.254.169.254"
# As often as EC2 recommends.
POLL_SECONDS: Final = 5.0
TOKEN_SECONDS: Final = 6 * 3600
TIMEOUT_SECONDS: Final = 2.0


class SpotNotices:
    """Runs on a thread of its own until there is a notice, or `finished` is set."""

    def __init__(
        self,
        endpoint: str,
        on_notice: Callable[[], None],
        finished: threading.Event,
        logger: Logger,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._on_notice = on_notice
        self._finished = finished
        self._logger = logger
        self._poll_seconds = poll_seconds
        self._token: str | None = None

    def run(self) -> None:
        """Ask until there is a notice; then call `on_notice` once."""
        is_silent = False
        while not self._finished.wait(self._poll_seconds):
            try:
                notice = self._notice()
            except (OSError, HTTPException) as error:
                self._token = None
                if not is_silent:
                    text = f"The instance metadata does not answer, so spot notices go unseen: {error}"
                    log_event(self._logger, Event.SPOT_NOTICE, text, warning=True)
                is_silent = True
                continue
            is_silent = False
            if notice is not None:
                log_event(self._logger, Event.SPOT_NOTICE, "This spot host is about to be reclaimed", notice=notice)
                self._on_notice()
                return

    def _notice(self) -> str | None:
        if self._token is None:
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
            self._token = self._ask("PUT", "/latest/api/token", headers)
        try:
            return self._ask("GET", "/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": self._token})
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(self._endpoint + path, headers=headers, method=method)  # noqa: S310 - EC2's
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
            text: str = response.read().decode()
            return text
