"""The live log: JSON lines of the API and the worker as one readable line each, in the order they come."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

POLL_SECONDS: Final = 0.5
# How much later than its own time a line may show up: function instances write their lines independently.
LATE_MILLISECONDS: Final = 10_000
# Said elsewhere in the line, or only of use to programs.
_HIDDEN: Final = frozenset(
    {
        *("level", "timestamp", "service", "event", "message", "correlation_id", "job_id"),
        *("exception_name", "stack_trace", "method", "route", "status", "_aws"),
        # There is one of each.
        *("project", "worker_id", "instance_type"),
    }
)
# What Lambda itself writes around each request.
_PLATFORM_LINES: Final = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_START ")


def readable(line: str) -> str | None:
    """`line` for people: time, service, event, message, the other fields.

    Lines that are not our events (a traceback, a library's warning) stay as they are. None for what is for programs.
    """
    if line.startswith(_PLATFORM_LINES):
        return None
    try:
        fields = json.loads(line)
        metrics = _metric_names(fields)
        if metrics and "event" not in fields:
            return None
        at = datetime.fromisoformat(fields["timestamp"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
        head = f"{at}  {fields['service']:<7} {fields['event']:<15} {fields['message']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    job = f"  job={fields['job_id'][:8]}" if fields.get("job_id") else ""
    rest = "".join(f"  {name}={value}" for name, value in fields.items() if name not in _HIDDEN | metrics)
    return head + job + rest


def _metric_names(fields: dict[str, Any]) -> set[str]:
    """The fields that are there for CloudWatch's metrics."""
    groups = fields.get("_aws", {}).get("CloudWatchMetrics", [])
    return {metric["Name"] for group in groups for metric in group["Metrics"]}


class GroupFollower(threading.Thread):
    """Follows one CloudWatch log group and hands on each line it has not seen yet."""

    def __init__(self, logs: Any, group: str, on_line: Callable[[str], None]) -> None:
        super().__init__(name=f"follow {group}", daemon=True)
        self._logs = logs
        self._group = group
        self._on_line = on_line
        self._finished = threading.Event()
        self._seen: set[tuple[int, str]] = set()
        self._since_ms = int(time.time() * 1000)

    def run(self) -> None:
        """Poll until `finish`, and once more then."""
        while not self._finished.wait(POLL_SECONDS):
            self._poll()
        self._poll()

    def finish(self) -> None:
        """Stop following."""
        self._finished.set()
        self.join(timeout=5)

    def _poll(self) -> None:
        try:
            found = self._logs.filter_log_events(logGroupName=self._group, startTime=self._since_ms)
        except (ClientError, BotoCoreError):
            # The group comes with its stack, and the emulator may be on its way up or down.
            return
        for event in found["events"]:
            # The emulator gives no event ids; a line with its time to the millisecond serves as one.
            identity = (event["timestamp"], event["message"])
            if identity not in self._seen:
                self._seen.add(identity)
                self._on_line(event["message"].strip())
                self._since_ms = max(self._since_ms, event["timestamp"] - LATE_MILLISECONDS)
        self._seen = {identity for identity in self._seen if identity[0] >= self._since_ms}


class GroupWriter:
    """Writes a process's lines into a CloudWatch log group, as the awslogs driver does for a container on ECS."""

    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs = logs
        self._group = group
        self._stream = stream
        self._logs.create_log_stream(logGroupName=group, logStreamName=stream)

    def write(self, line: str) -> None:
        """Append one line, stamped now."""
        event = {"timestamp": int(time.time() * 1000), "message": line}
        try:
            self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=[event])
        except (ClientError, BotoCoreError) as error:
            print(f"local_cloud: a worker log line did not reach {self._group}: {error}")
