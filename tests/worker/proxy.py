"""A proxy in front of the emulator that answers wrongly, or not at all, when a test says so."""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Fault(Enum):
    """What becomes of a call."""

    # The service is ill: 500, and nothing was done.
    FAILS = "fails"
    # The service did it, and the answer got lost.
    ANSWER_LOST = "answer lost"
    # The service asks for patience, in DynamoDB's words.
    THROTTLED = "throttled"
    # The call does not come back, until the proxy is told to let go of it.
    HELD = "held"


@dataclass(frozen=True)
class Call:
    """One request: `operation` is `S3.PUT`, or as in `DynamoDB.UpdateItem` and `SQS.ReceiveMessage`."""

    operation: str
    path: str
    body: bytes


# Says what becomes of a call; None lets it through.
Rule = Callable[[Call], Fault | None]


@dataclass
class Proxy:
    """A context manager; `url` is the endpoint to give to AWS clients."""

    target_port: int
    rule: Rule = lambda call: None
    faults: int = 0
    # Set whenever a call is being held.
    holding: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Proxy":
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                call = Call(_operation(self.command, self.headers), self.path, body)
                fault = proxy.rule(call)
                if fault is not None:
                    proxy.faults += 1
                if fault is Fault.HELD:
                    proxy.holding.set()
                    proxy.let_go.wait()
                    # The caller is dead by now; what it asked for does not happen.
                    self.close_connection = True
                    return
                if fault is Fault.FAILS:
                    self.answer(500, b"{}", {})
                elif fault is Fault.THROTTLED:
                    self.answer(400, b'{"__type": "ProvisionedThroughputExceededException", "message": "slow"}', {})
                else:
                    status, headers, answer = proxy.forward(self.command, self.path, dict(self.headers), body)
                    if fault is Fault.ANSWER_LOST:
                        status, headers, answer = 500, {}, b"{}"
                    self.answer(status, answer, headers)

            def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815 - http.server's names

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A worker that is killed leaves broken connections behind."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()

    def hold(self, rule: Callable[[Call], bool]) -> None:
        """Hold the calls that `rule` picks, until `release`."""
        self.holding.clear()
        self.let_go.clear()
        self.rule = lambda call: Fault.HELD if rule(call) else None

    def release(self) -> None:
        """Let everything through again; what was held is dropped."""
        self.rule = lambda call: None
        self.let_go.set()

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.target_port, timeout=60)
        try:
            connection.request(method, path, body, {k: v for k, v in headers.items() if k.lower() != "connection"})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


def _operation(method: str, headers: Any) -> str:
    target = headers.get("x-amz-target", "")
    if not target:
        return f"S3.{method}"
    service, _, operation = target.partition(".")
    return f"{'SQS' if service == 'AmazonSQS' else 'DynamoDB'}.{operation}"
