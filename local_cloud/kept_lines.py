"""The laptop cloud's log lines: read from the running emulator, and kept in a file when it stops."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from botocore.config import Config

from insights import LogLine
from local_cloud.deployment import emulated_aws

# In the folder of a local cloud's state: what its log groups held when it stopped.
KEPT_LINES_NAME: Final = "lines.jsonl"
# The most events that CloudWatch, and the emulator, give at once.
PAGE_EVENTS: Final = 10_000


class LinesError(Exception):
    """The emulator can't give all lines."""


def logs_client(endpoint: str) -> Any:
    """A client that gives up at once, as an emulator that does not answer the first time is gone."""
    once = Config(retries={"total_max_attempts": 1})
    return emulated_aws(endpoint).session.client("logs", endpoint_url=endpoint, config=once)


def group_names(logs: Any) -> list[str]:
    """The names of all log groups."""
    pages = logs.get_paginator("describe_log_groups").paginate()
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def read_lines(logs: Any, groups: Iterable[str], start_ms: int, end_ms: int) -> list[LogLine]:
    """All lines of these groups from `start_ms` to `end_ms`, the oldest first; a group that is not there has none."""
    lines = [line for group in groups for line in _group_lines(logs, group, start_ms, end_ms)]
    return sorted(lines, key=lambda line: line.timestamp_ms)


def _group_lines(logs: Any, group: str, start_ms: int, end_ms: int) -> list[LogLine]:
    lines: list[LogLine] = []
    while True:
        try:
            found = logs.filter_log_events(logGroupName=group, startTime=start_ms, endTime=end_ms, limit=PAGE_EVENTS)
        except logs.exceptions.ResourceNotFoundException:
            return []
        page = [
            LogLine(
                event["timestamp"], group, event["logStreamName"], event["message"].rstrip("\n"), event["ingestionTime"]
            )
            for event in found["events"]
        ]
        # The emulator has no next page: a full one ends anywhere within its last millisecond.
        repeated = Counter(line for line in lines if line.timestamp_ms == start_ms)
        for line in page:
            if repeated[line] > 0:
                repeated[line] -= 1
            else:
                lines.append(line)
        if len(page) < PAGE_EVENTS:
            return lines
        if page[-1].timestamp_ms == start_ms:
            raise LinesError(f"{group} has more than {PAGE_EVENTS:,} lines in one millisecond, and can't be read whole")
        start_ms = page[-1].timestamp_ms


def keep_lines(logs: Any, path: Path) -> None:
    """Write the lines of all groups into a file."""
    with path.open("w") as file:
        for line in read_lines(logs, group_names(logs), 0, 2**53):
            row = (line.timestamp_ms, line.log_group, line.log_stream, line.message, line.ingestion_ms)
            file.write(json.dumps(row) + "\n")


def kept_lines(path: Path) -> list[LogLine]:
    """The lines that `keep_lines` wrote. Raises `FileNotFoundError`."""
    with path.open() as file:
        return [LogLine(*json.loads(row)) for row in file]
