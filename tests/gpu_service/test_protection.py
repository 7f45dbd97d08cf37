"""Task protection: on while there is work, off after it, asked for once, and never in the way of the work."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gpu_service import protection
from gpu_service.protection import TaskProtection
from jobs.logs import SERVICE_WORKER, make_logger

PATIENCE_SECONDS = 60


class Agent:
    """The part of the ECS agent that a container sees."""

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = {"protection": {}}
        self.changed = threading.Condition()
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                assert self.path == "/api/task-protection/v1/state"
                state = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with agent.changed:
                    agent.states.append(state)
                    agent.changed.notify_all()
                body = json.dumps(agent.answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}/api"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait_for(self, states: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.states) >= states, PATIENCE_SECONDS)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def agent() -> Iterator[Agent]:
    running = Agent()
    yield running
    running.close()


@pytest.fixture
def working(agent: Agent) -> Iterator[threading.Event]:
    is_working, finished = threading.Event(), threading.Event()
    logger = make_logger(SERVICE_WORKER)
    task_protection = TaskProtection(
        agent.uri, is_working.is_set, finished, logger, look_seconds=0.05, idle_seconds=0.5
    )
    thread = threading.Thread(target=task_protection.run)
    thread.start()
    yield is_working
    finished.set()
    thread.join()


def test_the_task_is_protected_while_there_is_work_and_only_then(agent: Agent, working: threading.Event) -> None:
    for stretch in (1, 2):
        working.set()
        agent.wait_for(2 * stretch - 1)
        working.clear()
        agent.wait_for(2 * stretch)
    on = {"ProtectionEnabled": True, "ExpiresInMinutes": 15}
    off = {"ProtectionEnabled": False}
    assert agent.states == [on, off, on, off]


def test_a_worker_that_is_never_idle_can_be_stopped_now_and_then(
    agent: Agent, working: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protection, "PROTECTED_MINUTES", 0.1 / 60)
    monkeypatch.setattr(protection, "TURN_SECONDS", 0.5)
    working.set()
    agent.wait_for(1)
    started = time.monotonic()
    agent.wait_for(2)
    assert time.monotonic() - started >= 0.5
    assert all(state["ProtectionEnabled"] for state in agent.states)


def test_a_refusal_is_not_answered_with_more_calls(agent: Agent, working: threading.Event) -> None:
    agent.answer = {"failure": {"Reason": "DEPLOYMENT_BLOCKED"}}
    working.set()
    agent.wait_for(1)
    with agent.changed:
        assert not agent.changed.wait_for(lambda: len(agent.states) > 1, 1)
