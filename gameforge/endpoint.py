"""Where the API is: said on the command line, in the environment, or by the local cloud that runs beside us."""

import json
from dataclasses import dataclass
from typing import Final

from local_cloud import ENDPOINT_FILE

ENV_URL: Final = "GAMEFORGE_URL"
ENV_KEY: Final = "GAMEFORGE_API_KEY"


class NoEndpointError(Exception):
    """Nobody said where the API is."""


@dataclass(frozen=True)
class Endpoint:
    """An API's address, and a key for it."""

    url: str
    key: str


def find_endpoint(url: str | None, key: str | None) -> Endpoint:
    """What was given, completed from the running local cloud. Raises `NoEndpointError` saying what to do."""
    if url and key:
        return Endpoint(url, key)
    if url:
        raise NoEndpointError(f"an API key is needed for {url}: give --key or set {ENV_KEY}.")
    try:
        local = json.loads(ENDPOINT_FILE.read_text())
    except FileNotFoundError:
        raise NoEndpointError(
            f"no local cloud is running. Start one with `make up`, or name your API with --url and --key "
            f"(or {ENV_URL} and {ENV_KEY})."
        ) from None
    return Endpoint(local["url"], key or local["key"])
