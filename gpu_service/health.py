"""The worker's health over HTTP: /health, /ready and /gpu; `python -m gpu_service.health` asks it, for containers.

Without PyTorch and every other library: the container runtime runs this as often as it checks.
"""

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol

from gpu_service.gpu_reader import GpuReader, GpuReaderError

ENV_HEALTH_PORT: Final = "GAMEFORGE_HEALTH_PORT"
ENV_HEALTH_HOST: Final = "GAMEFORGE_HEALTH_HOST"
HOST_DEFAULT: Final = "127.0.0.1"
CANARY_TIMEOUT_SECONDS: Final = 10.0
# A canary's word holds this long: health is asked for more often than the device has to prove itself.
CANARY_VALID_SECONDS: Final = 10.0
_CHECK_TIMEOUT_SECONDS: Final = 15.0


class Snapshot(Protocol):
    """What health has to know of the worker's status at one moment."""

    @property
    def state(self) -> str:
        """starting, idle, working or stopping."""

    @property
    def is_stuck(self) -> bool:
        """Whether the device has been silent for longer than any step takes."""

    @property
    def silent_seconds(self) -> float:
        """How long the device has given no sign while it had work."""


class Status(Protocol):
    """The worker's status."""

    def snapshot(self) -> Snapshot:
        """The status now."""


class Canary:
    """Runs a small operation on the device, with a time limit, and remembers for a while how it went."""

    def __init__(
        self,
        operation: Callable[[], None],
        *,
        timeout_seconds: float = CANARY_TIMEOUT_SECONDS,
        valid_seconds: float = CANARY_VALID_SECONDS,
    ) -> None:
        self._operation = operation
        self._timeout_seconds = timeout_seconds
        self._valid_seconds = valid_seconds
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._problem: str | None = None
        self._running: threading.Thread | None = None

    def problem(self) -> str | None:
        """What is wrong with the device, or None."""
        with self._lock:
            if self._running is None or not self._running.is_alive():
                if time.monotonic() - self._asked_at < self._valid_seconds:
                    return self._problem
                self._asked_at = time.monotonic()
                self._running = threading.Thread(target=self._run, name="canary", daemon=True)
                self._running.start()
            # One that hangs is not joined by more of its kind: it is asked again how it is.
            self._running.join(max(0.0, self._asked_at + self._timeout_seconds - time.monotonic()))
            if self._running.is_alive():
                return f"the device has not answered for {time.monotonic() - self._asked_at:.0f} s"
            return self._problem

    def _run(self) -> None:
        try:
            self._operation()
            self._problem = None
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes into the answer
            self._problem = f"the device failed a small operation: {error}"


class HealthServer:
    """Serves the endpoints on a thread, from before the model is loaded to the end of the process."""

    def __init__(self, status: Status, *, port: int, host: str = HOST_DEFAULT) -> None:
        """Listen on `port`; 0 takes a free one."""
        self._status = status
        self._canary: Canary | None = None
        self._device: Callable[[], Mapping[str, Any]] = dict
        self._gpu: GpuReader | None = None
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def loaded(self, *, canary: Canary, device: Callable[[], Mapping[str, Any]], gpu: GpuReader | None) -> None:
        """The model is loaded: `device` tells what it runs on now, `gpu` reads the card where there is one."""
        self._device, self._gpu, self._canary = device, gpu, canary

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the body for a path."""
        snapshot = self._status.snapshot()
        if path == "/health":
            problem = self._problem(snapshot)
            body = {"status": "failing" if problem else "ok", "cause": problem, "state": str(snapshot.state)}
            return (503 if problem else 200), {**body, **self._device()}
        if path == "/ready":
            ready = str(snapshot.state) in ("idle", "working") and self._canary is not None
            return (200 if ready else 503), {"ready": ready, "state": str(snapshot.state)}
        if path == "/gpu":
            return 200, {**self._device(), **self._reading()}
        return 404, {"paths": ["/health", "/ready", "/gpu"]}

    def _problem(self, snapshot: Snapshot) -> str | None:
        if snapshot.is_stuck:
            return f"the device has been silent for {snapshot.silent_seconds:.0f} s in the middle of a step"
        return self._canary.problem() if self._canary is not None else None

    def _reading(self) -> dict[str, Any]:
        if self._gpu is None:
            return {}
        try:
            return asdict(self._gpu.read())
        except GpuReaderError as error:
            return {"reader_problem": str(error)}


def _handler(health: HealthServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, fields = health.answer(self.path.partition("?")[0])
            body = json.dumps(fields, default=str).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            # The worker's own lines are worth reading; a line a health check is not.
            pass

    return Handler


def main() -> int:
    """Ask the worker in this container. Returns 0 if it is healthy, else 1, and prints the cause."""
    port = os.environ.get(ENV_HEALTH_PORT, "")
    if not port:
        print(f"{ENV_HEALTH_PORT} is not set: this worker serves no health", file=sys.stderr)
        return 1
    try:
        url = f"http://127.0.0.1:{port}/health"
        with urllib.request.urlopen(url, timeout=_CHECK_TIMEOUT_SECONDS) as response:
            print(response.read().decode())
            return 0
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
    except OSError as error:
        print(f"the worker does not answer: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
