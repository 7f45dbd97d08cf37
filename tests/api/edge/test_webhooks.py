"""Webhooks, from the end of a job to a receiver that checks the signature."""

import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError

from jobs import names
from jobs.job import JobError
from jobs.keys import NewKey
from lambda_api import outbound
from lambda_api.outbound import RefusedError, UnreachableError, post
from local_cloud.cloud import LocalCloud
from tests.api.conftest import Hand
from tests.api.edge.conftest import Connect, MakeKey

FUNCTION = "gameforge-webhooks"
LOCAL = "127.0.0.0/8"


@dataclass
class Receiver:
    """An https server on 127.0.0.1 that keeps what it is sent."""

    port: int
    certificates: Path
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    # Statuses of the next answers; 204 when there are none left.
    answers: list[int] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/ended?team=art"

    def wait_for(self, count: int, timeout_seconds: float = 40) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= count, timeout_seconds), self.received


@contextmanager
def serving(directory: Path, instead: Callable[[BaseHTTPRequestHandler], None] | None = None) -> Iterator[Receiver]:
    """A receiver whose certificate is in the directory; `instead` answers in its own way."""
    authority = trustme.CA()
    certificates = directory / "authority.pem"
    authority.cert_pem.write_to_path(str(certificates))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with running.changed:
                running.received.append(({"path": self.path, **dict(self.headers)}, body))
                status = running.answers.pop(0) if running.answers else 204
                running.changed.notify_all()
            if instead:
                instead(self)
                return
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running = Receiver(server.server_address[1], certificates)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver(api_cloud: LocalCloud, tmp_path: Path) -> Iterator[Receiver]:
    """Trusted by the deployed function, which may go to this machine while the test lasts, and does not wait long."""
    functions = api_cloud.deployment.client("lambda")
    before = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]
    with serving(tmp_path) as running:
        changed = {
            **before["Variables"],
            names.ENV_WEBHOOK_TEST_NETWORK: LOCAL,
            names.ENV_WEBHOOK_RETRY_SECONDS: "1,1,1",
            "SSL_CERT_FILE": str(running.certificates),
        }
        functions.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": changed})
        yield running
        functions.update_function_configuration(FunctionName=FUNCTION, Environment=before)


@pytest.fixture
def key(make_key: MakeKey) -> NewKey:
    return make_key()


@pytest.fixture
def api(connect: Connect, key: NewKey) -> Iterator[httpx.Client]:
    with connect(key.key) as client:
        yield client


def order(api: httpx.Client, url: str) -> str:
    response = api.post("/v1/generations", json={"prompt": "a red potion", "webhook_url": url})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def outcome(api: httpx.Client, job_id: str, *statuses: str) -> dict[str, Any]:
    deadline = time.monotonic() + 40
    while True:
        webhook: dict[str, Any] | None = api.get(f"/v1/generations/{job_id}").json()["webhook"]
        if webhook and webhook["status"] in statuses:
            return webhook
        assert time.monotonic() < deadline, webhook
        time.sleep(0.2)


def test_the_end_of_a_job_is_announced_signed(receiver: Receiver, api: httpx.Client, key: NewKey, hand: Hand) -> None:
    job_id = order(api, receiver.url)
    hand.make(job_id, count=2)
    receiver.wait_for(1)
    headers, body = receiver.received[0]
    message = Webhook(key.webhook_secret).verify(body, headers)
    assert headers["path"] == "/ended?team=art"
    assert headers["Host"] == f"localhost:{receiver.port}"
    assert headers["webhook-id"] == f"msg_{job_id}"
    assert message["type"] == "generation.succeeded"
    assert (message["data"]["id"], len(message["data"]["images"])) == (job_id, 2)
    assert "url" not in str(message)
    assert outcome(api, job_id, "delivered")["attempts"] == 1
    with pytest.raises(WebhookVerificationError):
        Webhook(key.webhook_secret).verify(body + b" ", headers)


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_other_ends_are_announced_too(receiver: Receiver, api: httpx.Client, hand: Hand, end: str) -> None:
    job_id = order(api, receiver.url)
    if end == "failed":
        hand.store.fail(hand.start(job_id), JobError(code="generation_failed", message="no such colour"))
    else:
        api.post(f"/v1/generations/{job_id}/cancel")
    receiver.wait_for(1)
    message = json.loads(receiver.received[0][1])
    assert message["type"] == f"generation.{end}"
    assert bool(message["data"]["error"]) == (end == "failed")


def test_a_receiver_that_fails_is_asked_again_with_the_same_id(
    receiver: Receiver, api: httpx.Client, hand: Hand
) -> None:
    receiver.answers = [500, 302]
    job_id = order(api, receiver.url)
    hand.make(job_id)
    assert outcome(api, job_id, "delivered")["attempts"] == 3
    assert [headers["webhook-id"] for headers, _ in receiver.received] == [f"msg_{job_id}"] * 3
    # The redirect was not followed.
    assert {headers["path"] for headers, _ in receiver.received} == {"/ended?team=art"}


def test_after_the_last_attempt_it_is_given_up(receiver: Receiver, api: httpx.Client, hand: Hand) -> None:
    receiver.answers = [500] * 9
    job_id = order(api, receiver.url)
    hand.make(job_id)
    webhook = outcome(api, job_id, "failed")
    assert (webhook["attempts"], webhook["detail"]) == (4, "the receiver answered 500; given up")


def test_a_receiver_that_is_gone_is_left_alone(receiver: Receiver, api: httpx.Client, hand: Hand) -> None:
    receiver.answers = [410]
    job_id = order(api, receiver.url)
    hand.make(job_id)
    assert outcome(api, job_id, "failed")["attempts"] == 1


def test_as_deployed_it_goes_to_public_addresses_alone(api: httpx.Client, hand: Hand, tmp_path: Path) -> None:
    with serving(tmp_path) as receiver:
        job_id = order(api, receiver.url)
        hand.make(job_id)
        webhook = outcome(api, job_id, "failed")
        assert webhook["detail"] == "localhost does not lead to a public address"
        assert receiver.received == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "https://user:pass@example.com/", "https:///x", "ftp://example.com/", "example.com"),
        *("https://example.com:99999/", "https://example.com:x/", "https://[::1/", "https://[x]/", "https://.com/"),
        *(f"https://{'x' * 64}.com/", "https://example.com\\@elsewhere/", "https://exa\x01mple.com/", "https://a b/"),
    ],
)
def test_only_https_urls_are_accepted(api: httpx.Client, url: str) -> None:
    response = api.post("/v1/generations", json={"prompt": "a gem", "webhook_url": url})
    assert response.status_code == 422
    message = "Input should be a URL like https://hooks.example.com/path, without a password"
    assert response.json()["errors"] == [{"field": "webhook_url", "message": message}]


def test_a_url_is_kept_as_it_goes_over_the_wire(api: httpx.Client) -> None:
    response = api.post("/v1/generations", json={"prompt": "a gem", "webhook_url": "https://пример.рф/ü?q=ü"})
    assert response.json()["webhook_url"] == "https://xn--e1afmkfd.xn--p1ai/%C3%BC?q=%C3%BC"


@pytest.mark.parametrize("url", ["https://x:99999/", "https://[::1/", "https://.com/", "http://x/", "https:///x"])
def test_what_is_no_url_is_refused_and_not_tried_again(url: str) -> None:
    with pytest.raises(RefusedError):
        post(url, b"", {})


@pytest.mark.parametrize(
    "host",
    [
        *("[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00:ec2::254]"),
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "169.254.170.2", "224.0.0.1", "240.0.0.1", "255.255.255.255", "2130706433", "0x7f.1"),
    ],
)
def test_no_address_inside_is_connected_to(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **__: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(RefusedError):
        post(f"https://{host}/", b"", {})


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    asked: list[str] = []
    resolve: Callable[..., Any] = socket.getaddrinfo

    def changing(host: str, *arguments: Any, **more: Any) -> Any:
        asked.append(host)
        # A name server that gives a good address first and a bad one afterwards.
        return resolve("127.0.0.1" if asked.count("localhost") == 1 or host == "127.0.0.1" else "127.0.0.2", *arguments)

    with serving(tmp_path) as receiver:
        monkeypatch.setattr(socket, "getaddrinfo", changing)
        only = ipaddress.IPv4Network("127.0.0.1/32")
        assert post(receiver.url, b"{}", {}, test_network=only) == 204
        assert asked.count("localhost") == 1
        # The certificate still has to be that of the name.
        with pytest.raises(UnreachableError, match="SSLCertVerificationError"):
            post(f"https://127.0.0.1:{receiver.port}/", b"{}", {}, test_network=only)


def test_a_receiver_that_never_comes_to_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setattr(outbound, "ANSWER_SECONDS", 1.0)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):
            while True:
                handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(0.05)

    with serving(tmp_path, drip) as receiver:
        started = time.monotonic()
        with pytest.raises(UnreachableError):
            post(receiver.url, b"{}", {}, test_network=ipaddress.IPv4Network(LOCAL))
        assert time.monotonic() - started < 10
