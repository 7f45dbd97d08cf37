"""`gameforge cost`: every dollar once, by key, with what idle time cost and what that comes to in a month."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from typer.testing import CliRunner, Result

from gameforge import cost_queries, logs_command
from gameforge.aws import Aws
from gameforge.cli import app
from gameforge.cost_report import CostReport, KeyCost, WorkerCost
from gameforge.log_sources import CloudWatchLogs, LaptopLogs
from gameforge.saved_queries import read_saved_queries
from insights import LogLine, parse
from jobs import prices
from jobs.logs import FIELD_NAMES
from jobs.metrics import SERVICE
from local_cloud.kept_lines import group_names
from stacks.saved_queries.of_jobs import ATTEMPT_ENDS
from tests.gameforge.test_logs import API, SWEEP, WORKER, write

Run = Callable[..., Result]

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN = KeyCost("ann", jobs=3, attempts=4, images=5, device_seconds=400.0, dollars=0.06, unpriced=0)
BOB = KeyCost("bob", jobs=1, attempts=1, images=1, device_seconds=100.0, dollars=0.015, unpriced=0)
GPU = WorkerCost(
    "g4dn.xlarge", 1, alive_seconds=3600, busy_seconds=540, idle_seconds=3060, alive_dollars=0.54, idle_dollars=0.459
)


def report(**changes: Any) -> CostReport:
    return CostReport(**{"begins": NOON - 2 * HOUR, "ends": NOON, "keys": (ANN, BOB), "workers": (GPU,), **changes})


def test_every_dollar_of_alive_time_is_somebodys() -> None:
    figures = report()
    assert figures.dollars == 0.54
    assert figures.jobs_dollars + figures.unsettled_dollars + figures.idle_dollars == pytest.approx(figures.dollars)
    assert figures.unsettled_dollars == pytest.approx(0.006)


def test_jobs_that_ended_since_the_last_sample_count_already() -> None:
    figures = report(workers=())
    assert (figures.dollars, figures.unsettled_dollars, figures.idle_dollars) == (0.075, 0, 0)


def test_a_month_is_projected_from_the_time_that_was_measured() -> None:
    assert report().monthly(0.54) == pytest.approx(0.27 * 720)
    assert report().is_short
    assert not report(begins=NOON - timedelta(days=1)).is_short
    assert report(begins=NOON).monthly(0.54) == 0


def test_the_comparison_is_the_one_that_the_project_began_with() -> None:
    gpu, cpu, as_it_ran, scaled_to_zero = report(begins=NOON - 24 * HOUR).comparison()
    assert (round(gpu.dollars, 2), round(cpu.dollars, 2), round(gpu.times_cpu, 1)) == (378.72, 143.78, 2.6)
    assert as_it_ran.dollars == pytest.approx(0.54 * 30)
    assert scaled_to_zero.dollars == pytest.approx(0.081 * 30)
    assert scaled_to_zero.times_cpu == pytest.approx(0.081 * 30 / 143.784)


@pytest.mark.parametrize("query", [cost_queries.BY_KEY, cost_queries.BY_INSTANCE_TYPE, cost_queries.FIRST_LINE])
def test_the_queries_name_only_what_lines_have(query: str) -> None:
    assert parse(query).fields_read <= FIELD_NAMES


def test_the_same_lines_count_as_in_the_saved_query() -> None:
    assert cost_queries.ATTEMPT_ENDS == ATTEMPT_ENDS


def line(minutes: float, service: str, event: str, **fields: Any) -> tuple[int, str]:
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    text = {"timestamp": at.isoformat(timespec="milliseconds"), SERVICE: service, "event": event, "message": event}
    return round(at.timestamp() * 1000), json.dumps({**text, **fields})


def end(minutes: float, event: str, job_id: str, caller: str, seconds: float, **fields: Any) -> tuple[int, str]:
    cost = {"device_seconds": seconds, "cost_dollars": prices.dollars(0.526, seconds), "images": 0}
    return line(minutes, "worker", event, job_id=job_id, caller=caller, **{**cost, **fields})


WORKER_LINES = [
    end(50, "job_handed_back", "a", "ann", 10, reason="spot notice"),
    end(40, "job_succeeded", "a", "ann", 25, images=2),
    end(39, "job_failed", "b", "ann", 5, error_code="out_of_memory"),
    end(38, "job_canceled", "c", "bob", 1),
    # In no sum: it is not an end.
    line(38, "worker", "job_generated", job_id="c", caller="bob", generate_seconds=99.0),
    line(30, "worker", "worker_sample", worker_id="w", instance_type="g4dn.xlarge", alive_seconds=600.0,
         busy_seconds=41.0, idle_seconds=559.0, alive_dollars=prices.dollars(0.526, 600),
         idle_dollars=prices.dollars(0.526, 559)),
]  # fmt: skip
# The sweep is there since an hour: the system was, and had no worker.
SWEEP_LINES = [line(60, "sweep", "swept", queue_depth=0)]


@pytest.fixture
def run(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    # The emulator is other tests', too: their lines would be in the sums.
    forget(aws)
    write(aws, WORKER, WORKER_LINES)
    write(aws, SWEEP, SWEEP_LINES)
    (tmp_path / "endpoint.json").write_text(json.dumps({"aws_url": aws.endpoint_url}))
    monkeypatch.setattr(logs_command, "STATES", (tmp_path,))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["cost", *arguments])

    yield invoke
    forget(aws)


def forget(aws: Aws) -> None:
    logs = aws.client("logs")
    for group in {WORKER, SWEEP} & set(group_names(logs)):
        logs.delete_log_group(logGroupName=group)


def test_the_laptops_log_becomes_a_ledger(run: Run) -> None:
    result = run("--format", "json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    ann, bob = figures["keys"]
    assert (ann["caller"], ann["jobs"], ann["attempts"], ann["images"], ann["device_seconds"]) == ("ann", 2, 3, 2, 40)
    assert ann["dollars"] == pytest.approx(prices.dollars(0.526, 40), abs=2e-8)
    assert (bob["caller"], bob["jobs"], bob["device_seconds"], bob["unpriced"]) == ("bob", 1, 1, 0)
    assert figures["idle_dollars"] == prices.dollars(0.526, 559)
    assert figures["dollars"] == pytest.approx(prices.dollars(0.526, 600), abs=2e-8)
    # Ten minutes of work in the hour or so since the system came up: it is later now than when the lines were made.
    span = datetime.fromisoformat(figures["to"]) - datetime.fromisoformat(figures["from"])
    assert HOUR - timedelta(seconds=2) <= span < 2 * HOUR
    assert figures["monthly_dollars"] == pytest.approx(378.72 / 6 * (HOUR / span), rel=0.001)
    assert figures["is_short"]
    assert [round(way["dollars"], 2) for way in figures["comparison"][:2]] == [378.72, 143.78]


def test_the_table_is_for_people_and_says_what_to_think_of_it(run: Run) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert "g4dn.xlarge, around the clock" in result.stdout
    assert "$378.72" in result.stdout
    assert "2.6" in result.stdout
    # An hour, and however long the tests before this one took since the lines were made.
    assert re.search(r"projected from (6|7|8|9|10|11)\d\.\d minutes", result.stdout)
    assert "(idle)" in result.stdout
    assert "without a price" not in result.stdout


def test_csv_holds_the_ledger(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("--format", "csv").stdout)))
    assert [row["caller"] for row in rows if row["caller"] != "(unsettled)"] == ["ann", "bob", "(idle)"]
    assert sum(float(row["dollars"]) for row in rows) == pytest.approx(prices.dollars(0.526, 600), abs=2e-8)


def test_attempts_without_a_price_are_told(aws: Aws, run: Run) -> None:
    write(aws, WORKER, [end(1, "job_succeeded", "d", "cat", 7, cost_dollars=None)])
    result = run()
    assert "1 attempts ran on a machine without a price" in result.stdout
    assert json.loads(run("--format", "json").stdout)["unpriced_attempts"] == 1


def test_a_system_without_a_job_costs_nothing(tmp_path: Path) -> None:
    source = LaptopLogs(lambda groups, start_ms, end_ms: [], lambda: [API, WORKER])
    figures = cost_queries.read_costs(source, worker_groups=[WORKER], groups=[API, WORKER], start=NOON - HOUR, end=NOON)
    assert (figures.keys, figures.workers, figures.dollars, figures.span) == ((), (), 0, HOUR)


def test_cloudwatchs_answers_in_text_are_figures() -> None:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    client = session.client("logs")
    key = {"caller": "ann", "key_jobs": "2", "key_attempts": "3", "key_images": "2", "key_seconds": "40.5",
           "key_dollars": "0.0059175", "priced": "3"}  # fmt: skip
    worker = {"instance_type": "g4dn.xlarge", "workers": "1", "alive": "600", "busy": "41", "idle": "559",
              "dollars": "0.08766667", "dollars_idle": "0.08167611"}  # fmt: skip
    answers = [{"timestamp": (NOON - HOUR).isoformat()}, key, worker]
    with Stubber(client) as stub:
        for number, answer in enumerate(answers):
            stub.add_response("start_query", {"queryId": str(number)}, {
                "logGroupNames": ANY, "startTime": ANY, "endTime": ANY, "queryString": ANY,
            })  # fmt: skip
            cells = [{"field": name, "value": value} for name, value in answer.items()]
            stub.add_response("get_query_results", {"status": "Complete", "results": [cells], "statistics": {}})

        class Stubbed:
            def client(self, service: str) -> Any:
                return client

        source: Any = CloudWatchLogs(Stubbed())  # type: ignore[arg-type]
        figures = cost_queries.read_costs(
            source, worker_groups=[WORKER], groups=[WORKER], start=NOON - 24 * HOUR, end=NOON
        )
    assert figures.keys == (KeyCost("ann", 2, 3, 2, 40.5, 0.0059175, 0),)
    assert (figures.workers[0].alive_seconds, figures.idle_dollars, figures.span) == (600, 0.08167611, HOUR)


def test_lines_of_other_groups_cost_nothing() -> None:
    moment, text = WORKER_LINES[1]
    lines = [LogLine(moment, "/ecs/other", "s", text)]
    source = LaptopLogs(lambda groups, start_ms, end_ms: [each for each in lines if each.log_group in groups], list)
    now = datetime.now(UTC)
    assert (
        cost_queries.read_costs(source, worker_groups=[WORKER], groups=[WORKER], start=now - HOUR, end=now).keys == ()
    )


def test_the_worker_is_read_where_the_saved_query_reads_it() -> None:
    assert read_saved_queries("gameforge")["jobs/cost"].log_groups == (WORKER,)
