"""POSTs to addresses that clients chose: over TLS, to public addresses alone, to the address that was checked."""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

CONNECT_SECONDS: Final = 5.0
# For all that follows.
ANSWER_SECONDS: Final = 10.0


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
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        raise RefusedError("the URL is not a valid one") from None
    if parts.scheme != "https" or not host:
        raise RefusedError("the URL is not an https URL")
    address = _checked_address(host, port, test_network)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(host, port)
    try:
        with socket.create_connection((address, port), CONNECT_SECONDS) as plain, _encrypted(plain, host) as channel:
            # Connected already, so it asks no name server, and uses no proxy.
            connection.sock = channel
            connection.request("POST", target, body, {**headers, "Host": parts.netloc})
            # Not its body: that is nobody's business, and may be endless.
            return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{host} did not answer: {type(error).__name__}") from error


@contextmanager
def _encrypted(plain: socket.socket, host: str) -> Iterator[ssl.SSLSocket]:
    """A TLS connection that is cut after `ANSWER_SECONDS`, however slowly the other side goes on talking."""
    # The certificate is checked against the name in the URL, not against the address.
    channel = ssl.create_default_context().wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    # Past TLS's own farewell, which would wait for the other side.
    cut = threading.Timer(ANSWER_SECONDS, socket.socket.shutdown, (channel, socket.SHUT_RDWR))
    cut.start()
    try:
        channel.settimeout(ANSWER_SECONDS)
        channel.do_handshake()
        yield channel
    finally:
        cut.cancel()
        channel.close()


def _checked_address(host: str, port: int, test_network: ipaddress.IPv4Network | None) -> str:
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except UnicodeError:
        raise RefusedError(f"{host} is no name of a host") from None
    except OSError as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_ADDRFAMILY:
            raise RefusedError(f"{host} is no IPv4 address") from None
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
