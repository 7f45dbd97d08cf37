"""Where logs are: in the laptop cloud, with the lines it kept when it stopped, or in CloudWatch."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from botocore.exceptions import ConnectionError as SdkConnectionError

from gameforge.aws import Aws
from gameforge.aws_errors import AwsError, explained
from insights import LogLine, NotInSubsetError, QueryError, Result, parse, run
from local_cloud.kept_lines import KEPT_LINES_NAME, LinesError, group_names, kept_lines, logs_client, read_lines

POLL_SECONDS: Final = 0.5
_RUNNING: Final = frozenset({"Scheduled", "Running"})


class Source(Protocol):
    """Answers queries of Logs Insights."""

    def ask(self, query: str, groups: Sequence[str], start: datetime, end: datetime) -> Result:
        """The answer over these log groups and this time. Raises `AwsError`."""


@dataclass(frozen=True)
class LaptopLogs:
    """The running laptop cloud's lines, or those that the last one kept when it stopped."""

    read: Callable[[Sequence[str], int, int], list[LogLine]]
    # The names of the log groups.
    groups: Callable[[], list[str]]
    # When the kept lines begin and end; None while the cloud runs.
    span: tuple[datetime, datetime] | None = None

    def ask(self, query: str, groups: Sequence[str], start: datetime, end: datetime) -> Result:
        """The answer of the subset that runs at home. Raises `AwsError`."""
        try:
            parsed = parse(query)
            # A millisecond more than may be needed; `run` knows the ends exactly.
            lines = self.read(groups, int(start.timestamp() * 1000), int(end.timestamp() * 1000) + 1)
            return run(parsed, lines, start=start, end=end)
        except QueryError as error:
            raise AwsError(str(error)) from error


def laptop_logs(states: Sequence[Path]) -> LaptopLogs:
    """The logs of the local cloud that runs with its state in one of these folders; without one, those that the last
    one kept. Raises `AwsError` if there are none.
    """
    endpoints = [state / "endpoint.json" for state in states]
    running = next((endpoint for endpoint in endpoints if endpoint.exists()), None)
    if running is None:
        return _kept([state / KEPT_LINES_NAME for state in states])
    logs = logs_client(json.loads(running.read_text())["aws_url"])

    def read(groups: Sequence[str], start_ms: int, end_ms: int) -> list[LogLine]:
        try:
            return read_lines(logs, groups, start_ms, end_ms)
        except SdkConnectionError:
            raise AwsError("the local cloud does not answer: it was killed. Start it again with `make up`.") from None
        except LinesError as error:
            raise AwsError(str(error)) from error

    return LaptopLogs(read, lambda: group_names(logs))


def _kept(paths: Sequence[Path]) -> LaptopLogs:
    written = [path for path in paths if path.exists()]
    if not written:
        raise AwsError(
            "no local cloud is running, and none has kept its log. Start one with `make up`, or ask CloudWatch with "
            "--aws."
        )
    lines = kept_lines(max(written, key=lambda path: path.stat().st_mtime))
    if not lines:
        raise AwsError("no local cloud is running, and the last one wrote no log line.")

    def read(groups: Sequence[str], start_ms: int, end_ms: int) -> list[LogLine]:
        return [line for line in lines if line.log_group in groups and start_ms <= line.timestamp_ms <= end_ms]

    first, last = (datetime.fromtimestamp(line.timestamp_ms / 1000).astimezone() for line in (lines[0], lines[-1]))
    return LaptopLogs(read, lambda: sorted({line.log_group for line in lines}), (first, last))


@dataclass(frozen=True)
class CloudWatchLogs:
    """CloudWatch in an AWS account; what a query has scanned so far is told to `say`."""

    aws: Aws
    say: Callable[[str], None] = lambda text: None

    def ask(self, query: str, groups: Sequence[str], start: datetime, end: datetime) -> Result:
        """CloudWatch's own answer. Raises `AwsError`; a query that is wrong is refused before anything is scanned."""
        columns: tuple[str, ...] = ()
        doubt: QueryError | None = None
        try:
            columns = parse(query).columns
        except QueryError as error:
            # CloudWatch has the last word on its language, and we the better words for a slip.
            doubt = error
        with explained():
            try:
                found = self._found(query, groups, start, end)
            except self.aws.client("logs").exceptions.MalformedQueryException as error:
                if doubt is None or isinstance(doubt, NotInSubsetError):
                    raise
                raise AwsError(str(doubt)) from error
        rows = [{cell["field"]: cell.get("value") for cell in row} for row in found]
        names = columns or tuple(dict.fromkeys(name for row in rows for name in row if name != "@ptr"))
        return Result(names, tuple(tuple(row.get(name) for name in names) for row in rows))

    def _found(self, query: str, groups: Sequence[str], start: datetime, end: datetime) -> list[list[dict[str, Any]]]:
        logs = self.aws.client("logs")
        # Whole seconds, so that the last one is asked for to its end.
        query_id = logs.start_query(
            logGroupNames=list(groups),
            startTime=int(start.timestamp()),
            endTime=int(end.timestamp()) + 1,
            queryString=query,
        )["queryId"]
        try:
            while True:
                answer = logs.get_query_results(queryId=query_id)
                if answer["status"] not in _RUNNING:
                    break
                self.say(_scanned(answer))
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            logs.stop_query(queryId=query_id)
            raise
        if answer["status"] != "Complete":
            raise AwsError(f"CloudWatch ended the query as {answer['status'].lower()}; ask for less time, or again.")
        self.say(_scanned(answer))
        results: list[list[dict[str, Any]]] = answer["results"]
        return results


def _scanned(answer: dict[str, Any]) -> str:
    statistics = answer.get("statistics", {})
    lines, size = statistics.get("recordsScanned", 0), statistics.get("bytesScanned", 0)
    return f"{answer['status'].lower()}: {lines:,.0f} lines and {size / 1e6:,.1f} MB scanned"
