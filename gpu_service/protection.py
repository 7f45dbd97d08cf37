"""ECS task protection: while the worker has jobs, ECS does not choose its task when it scales in."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Final

from aws_lambda_powertools import Logger

from jobs.logs import Event, log_event

# ECS sets this in every container; outside of ECS there is nothing to protect.
ENV_AGENT_URI: Final = "ECS_AGENT_URI"
# Renewed only after it has run out: ECS then gets its turn to stop a worker that is never idle, which a deployment
# would otherwise wait for without end. A job that is caught by it is handed back and costs nothing.
PROTECTED_MINUTES: Final = 15
TURN_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0
# Work that follows this soon is the same stretch of work: the API is throttled.
IDLE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 30.0
TIMEOUT_SECONDS: Final = 5.0


class TaskProtection:
    """Runs on a thread of its own until `finished` is set. A task that ends needs its protection no more."""

    def __init__(
        self,
        agent_uri: str,
        is_working: Callable[[], bool],
        finished: threading.Event,
        logger: Logger,
        *,
        look_seconds: float = LOOK_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._url = f"{agent_uri.rstrip('/')}/task-protection/v1/state"
        self._is_working = is_working
        self._finished = finished
        self._logger = logger
        self._look_seconds = look_seconds
        self._idle_seconds = idle_seconds

    def run(self) -> None:
        """Follow what the worker does."""
        protected_until: float | None = None
        worked_at = retry_at = 0.0
        while not self._finished.wait(self._look_seconds):
            now = time.monotonic()
            if protected_until is not None and now >= protected_until:
                protected_until = None
                retry_at = now + TURN_SECONDS
            is_working = self._is_working()
            worked_at = now if is_working else worked_at
            if now < retry_at:
                continue
            try:
                if is_working and protected_until is None:
                    self._put(True, {"ExpiresInMinutes": PROTECTED_MINUTES})
                    protected_until = now + PROTECTED_MINUTES * 60
                elif not is_working and protected_until is not None and now - worked_at >= self._idle_seconds:
                    self._put(False, {})
                    protected_until = None
            except (OSError, HTTPException, ValueError) as error:
                # Unprotected work is handed back if the task is stopped, so this costs time and never a job.
                retry_at = now + RETRY_SECONDS
                text = f"ECS did not change the task's protection: {error}"
                log_event(self._logger, Event.TASK_PROTECTION_FAILED, text, warning=True)

    def _put(self, protected: bool, details: dict[str, int]) -> None:
        state = {"ProtectionEnabled": protected, **details}
        request = urllib.request.Request(  # noqa: S310 - the agent's address
            self._url, json.dumps(state).encode(), {"Content-Type": "application/json"}, method="PUT"
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
            answer = json.loads(response.read())
        if refusal := answer.get("failure") or answer.get("error"):
            raise ValueError(refusal.get("Reason") or refusal.get("Message") or str(refusal))
        log_event(
            self._logger,
            Event.TASK_PROTECTION,
            "ECS leaves this task alone" if protected else "ECS may stop this task",
            protected=protected,
        )
