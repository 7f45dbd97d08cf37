"""POSTs to addresses that clients chose: over TLS, to public addresses alone, to the address that was checked."""

import ipaddress
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import urllib3

TIMEOUT_SECONDS: Final = 10.0


class RefusedError(Exception):
    """The URL leads to where no webhook may go."""


class UnreachableError(Exception):
    """Nobody answered there."""


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, test_network: ipaddress.IPv4Network | None = None
) -> int:
    """POST, and return the status; redirects are not followed. Raises `RefusedError` or `UnreachableError`.

    The name is resolved once, and the connection goes to the address that was checked: a name server that answers
    something else the next time gains nothing. IPv4 only, which is what a function outside a VPC has.
    """
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or 443
    if parts.scheme != "https" or not host:
        raise RefusedError("the URL is not an https URL")
    address = _checked_address(host, port, test_network)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # The certificate is checked against the name in the URL, not against the address.
    with urllib3.HTTPSConnectionPool(
        address, port, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED", timeout=TIMEOUT_SECONDS
    ) as pool:
        try:
            response = pool.urlopen(
                "POST",
                target,
                body=body,
                headers={**headers, "Host": parts.netloc},
                redirect=False,
                retries=False,
                # The body of the answer is nobody's business, and may be endless.
                preload_content=False,
            )
            response.close()
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(f"{host} did not answer: {_cause(error)}") from error
    return response.status


def _checked_address(host: str, port: int, test_network: ipaddress.IPv4Network | None) -> str:
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise UnreachableError(f"{host} has no IPv4 address: {error}") from error
    addresses = [ipaddress.IPv4Address(entry[4][0]) for entry in found]
    for address in addresses:
        if not _is_public(address) and not (test_network and address in test_network):
            # Not which one: that would tell a stranger about names inside.
            raise RefusedError(f"{host} does not lead to a public address")
    return str(addresses[0])


def _is_public(address: ipaddress.IPv4Address) -> bool:
    """Not loopback, private, link-local (cloud metadata), shared, reserved or multicast."""
    return address.is_global and not address.is_multicast and not address.is_reserved


def _cause(error: Exception) -> str:
    return type(error).__name__
