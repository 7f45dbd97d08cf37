"""Trouble on purpose: an SQS that fails part of the time, and functions that are killed while they serve."""

import http.client
import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil

from local_cloud.cloud import LocalCloud


class FlakySqs:
    """Stands between the function and SQS. Of every `cycle_calls` calls, the last `down_calls` fail.

    Each fails in one of three ways: refused, cut off before it has arrived, or cut off after it has been done. Counted
    in calls, as the kills are in answers: a slow machine then sees no more trouble than a fast one.
    """

    def __init__(self, aws_port: int, *, cycle_calls: int, down_calls: int, seed: int) -> None:
        chance = random.Random(seed)
        calls = itertools.count()
        self.failures = 0
        flaky = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                is_down = next(calls) % cycle_calls >= cycle_calls - down_calls
                way = chance.choice(("refuse", "lose request", "lose answer")) if is_down else "pass"
                flaky.failures += is_down
                if way == "refuse":
                    self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"{}", "application/x-amz-json-1.0")
                    return
                if way == "lose request":
                    self.close_connection = True
                    return
                onward = http.client.HTTPConnection("127.0.0.1", aws_port, timeout=20)
                onward.request("POST", self.path, body, dict(self.headers))
                answer = onward.getresponse()
                text = answer.read()
                if way == "lose answer":
                    self.close_connection = True
                    return
                self._answer(answer.status, text, answer.headers.get("content-type", ""))

            def _answer(self, status: int, body: bytes, content_type: str) -> None:
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep the test's output to itself."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A function that is killed leaves its connections broken: that is the point."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FlakySqs":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def answering(body: str) -> Iterator[str]:
    """A service of AWS that gives the same XML to every POST; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(HTTPStatus.OK)
            self.send_header("content-type", "application/xml")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Keep the test's output to itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Killer:
    """Kills one of the API's functions, whatever it is doing, each time that `every_answers` answers have come."""

    def __init__(self, cloud: LocalCloud, *, every_answers: int, seed: int) -> None:
        self._emulator = psutil.Process(cloud.emulator_pid)
        self._every_answers = every_answers
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._answers = 0
        self.kills = 0

    def answered(self) -> None:
        """An answer has come."""
        with self._lock:
            self._answers += 1
            if self._answers % self._every_answers:
                return
            running = [child for child in self._emulator.children(recursive=True) if _serves_the_api(child)]
            if running:
                self._chance.choice(running).kill()
                self.kills += 1


def _serves_the_api(process: psutil.Process) -> bool:
    try:
        return any("ministack-lambda-gameforge-api-" in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False
