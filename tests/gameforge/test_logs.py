"""`gameforge logs`: saved and ad-hoc queries, and one job's story, over an emulated CloudWatch and the kept lines."""

import csv
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from typer.testing import CliRunner, Result

from gameforge import log_sources, logs_command, saved_queries, timeline
from gameforge.aws import Aws
from gameforge.aws_errors import AwsError
from gameforge.cli import app
from gameforge.log_times import time_span
from jobs.logs import FIELD_NAMES
from local_cloud.kept_lines import KEPT_LINES_NAME, LinesError, group_names, keep_lines, kept_lines, read_lines

Run = Callable[..., Result]

API, SWEEP, WORKER = "/aws/lambda/gameforge-api", "/aws/lambda/gameforge-api-sweep", "/ecs/gameforge-sdxl-gpu"
JOB, OTHER = "0f3cb2a1-0000-4000-8000-000000000001", "0f3cb2ff-0000-4000-8000-000000000002"
REQUEST = "8b8d2f84-66fb-4bfc-b75b-53dbd4758292"
NOW = datetime.now(UTC).replace(microsecond=0)

TEMPLATE = """
Parameters:
  Project: {Default: gameforge}
Resources:
  SlowestQuery:
    Type: AWS::Logs::QueryDefinition
    Properties:
      Name: !Sub '${Project}/jobs/slowest'
      LogGroupNames: [!Sub '/ecs/${Project}-sdxl-gpu']
      QueryString: |
        # The slowest jobs.
        fields job_id, total_seconds
        | filter event = "job_succeeded"
        | sort total_seconds desc
  StoryQuery:
    Type: AWS::Logs::QueryDefinition
    Properties:
      Name: !Sub '${Project}/jobs/story'
      LogGroupNames:
        - !Sub '/aws/lambda/${Project}-api'
        - !Sub '/aws/lambda/${Project}-api-sweep'
        - !Sub '/ecs/${Project}-sdxl-gpu'
      QueryString: |
        # One job. Put its id in the place of REPLACE_WITH_JOB_ID.
        fields event | filter job_id = "REPLACE_WITH_JOB_ID" | sort @timestamp asc
  Alarm: {Type: 'AWS::CloudWatch::Alarm'}
"""


def at(seconds: float) -> datetime:
    return NOW - timedelta(minutes=10) + timedelta(seconds=seconds)


def line(seconds: float, service: str, event: str, message: str, **fields: Any) -> tuple[int, str]:
    moment = at(seconds)
    text = {"level": "INFO", "message": message, "timestamp": moment.isoformat(timespec="milliseconds")}
    return round(moment.timestamp() * 1000), json.dumps({**text, "service": service, "event": event, **fields})


def write(aws: Aws, group: str, lines: list[tuple[int, str]], stream: str = "stream") -> None:
    logs = aws.client("logs")
    if group not in group_names(logs):
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": moment, "message": message} for moment, message in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture(scope="module")
def logged(aws: Aws) -> Aws:
    end = {"job_id": JOB, "correlation_id": REQUEST, "caller": "ann", "instance_type": "local", "device": "cpu"}
    # Lambda's lines reach the log together, at the end of the request: later than the worker's first.
    late = round(at(9).timestamp() * 1000)
    accepted = line(0.0, "api", "job_accepted", "accepted", job_id=JOB, correlation_id=REQUEST, caller="ann", width=64)
    request = line(
        0.02, "api", "request", "POST answered 202", correlation_id=REQUEST, method="POST", status=202, duration_ms=21.5
    )
    write(aws, API, [(late, accepted[1]), (late, request[1]), (late, "START RequestId: " + REQUEST)])
    write(
        aws,
        API,
        [line(3.0, "api", "request", "GET answered 200", correlation_id="another", method="GET", status=200)],
    )
    write(aws, SWEEP, [line(6.0, "sweep", "job_queued_again", "queued again", job_id=JOB, job_status="queued")])
    write(
        aws,
        WORKER,
        [
            line(0.5, "worker", "job_received", "received", queue_wait_seconds=0.5, attempts=1, **end),
            line(2.0, "worker", "job_handed_back", "handed back", reason="spot notice", attempts=1, run_seconds=1.5,
                 generate_seconds=1.0, device_seconds=1.0, cost_dollars=0.000002, queue_wait_seconds=0.5, **end),
            line(8.0, "worker", "job_succeeded", "succeeded", attempts=2, run_seconds=2.0, generate_seconds=1.25,
                 store_seconds=0.25, device_seconds=1.25, cost_dollars=0.000003, total_seconds=8.0, images=1,
                 queue_wait_seconds=6.0, **end),
            line(8.5, "worker", "job_succeeded", "succeeded", total_seconds=0.5, **{**end, "job_id": OTHER,
                 "correlation_id": "other"}),
        ],
    )  # fmt: skip
    return aws


@pytest.fixture
def run(logged: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `gameforge logs ARGUMENTS` with the emulator as the laptop cloud, and two saved queries."""
    (tmp_path / "endpoint.json").write_text(json.dumps({"aws_url": logged.endpoint_url}))
    template = tmp_path / "observability.yaml"
    template.write_text(TEMPLATE)
    monkeypatch.setattr(saved_queries, "TEMPLATE", template)
    monkeypatch.setattr(logs_command, "STATES", (tmp_path,))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["logs", *arguments])

    return invoke


def test_without_a_name_the_saved_queries_are_listed(run: Run) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert [row.split() for row in result.stdout.splitlines()] == [
        ["jobs/slowest", *["The", "slowest", "jobs."]],
        ["jobs/story", *["One", "job.", "Put", "its", "id", "in", "the", "place", "of", "REPLACE_WITH_JOB_ID."]],
    ]


def test_a_saved_query_runs_over_its_log_groups(run: Run) -> None:
    result = run("slowest")
    assert result.exit_code == 0, result.output
    assert [row.split() for row in result.stdout.splitlines()] == [
        ["job_id", "total_seconds"],
        [JOB, "8.000"],
        [OTHER, "0.500"],
    ]
    assert "2 rows" in result.stderr


def test_json_and_csv_are_for_programs(run: Run) -> None:
    assert json.loads(run("jobs/slowest", "--format", "json").stdout) == [
        {"job_id": JOB, "total_seconds": 8.0},
        {"job_id": OTHER, "total_seconds": 0.5},
    ]
    shown = run("jobs/slowest", "--format", "csv", "--limit", "1").stdout
    assert list(csv.reader(io.StringIO(shown))) == [["job_id", "total_seconds"], [JOB, "8.0"]]


def test_a_value_goes_into_a_saved_query(run: Run) -> None:
    shown = run("jobs/story", "--set", f"job_id={JOB}", "--format", "csv").stdout
    assert shown.split() == [
        "event",
        "job_received",
        "job_handed_back",
        "job_queued_again",
        "job_succeeded",
        "job_accepted",
    ]
    assert "needs a value: --set job_id=" in run("jobs/story").stderr
    assert "takes no caller; it takes job_id" in run("jobs/story", "--set", "caller=ann").stderr
    assert "no quotes" in run("jobs/story", "--set", 'job_id=" or 1 = 1').stderr


def test_a_query_of_ones_own_and_a_span_of_time(run: Run) -> None:
    query = "filter ispresent(event) | stats count(*) as lines by service"
    assert json.loads(run("--query", query, "--format", "json").stdout) == [
        {"service": "api", "lines": 3},
        {"service": "sweep", "lines": 1},
        {"service": "worker", "lines": 4},
    ]
    start, end = at(1).isoformat(), at(7).isoformat()
    spanned = run("--query", query, "--from", start, "--to", end, "--format", "json")
    assert {row["service"]: row["lines"] for row in json.loads(spanned.stdout)} == {"api": 1, "sweep": 1, "worker": 1}
    assert json.loads(run("--query", query, "--since", "5m", "--format", "json").stdout) == []
    grouped = run("--query", query, "--group", SWEEP, "--format", "json")
    assert json.loads(grouped.stdout) == [{"service": "sweep", "lines": 1}]


def test_a_bad_query_is_shown_with_its_place(run: Run) -> None:
    result = run("--query", "fields @timestamp | stat count(*)")
    assert result.exit_code == 1
    assert "line 1, column 21: found 'stat' where a command" in result.stderr
    assert "\n  fields @timestamp | stat count(*)\n                      ^^^^\n" in result.stderr


def test_a_name_that_no_line_of_ours_has_is_pointed_at(run: Run) -> None:
    result = run("--query", "filter evnt = 'job_failed' | stats count(*) as n by error_code", "--format", "json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert result.stderr == "evnt is no name of our vocabulary; did you mean event?\n"


def test_all_saved_queries_run_with_the_newest_job_as_the_example(run: Run) -> None:
    result = run("--all")
    assert result.exit_code == 0, result.output
    assert re.findall(r"^jobs/\w+", result.stdout, re.MULTILINE) == ["jobs/slowest", "jobs/story"]
    assert "job_accepted" in result.stdout


@pytest.mark.parametrize("text", [JOB, "0f3cb2a1", REQUEST])
def test_a_jobs_story_is_told_in_order_with_its_phases_summed(run: Run, text: str) -> None:
    result = run("job", text)
    assert result.exit_code == 0, result.output
    told = [" ".join(row.split()) for row in result.stdout.splitlines()]
    assert told[0] == f"job {JOB}"
    assert [re.sub(r"^[0-9:.]+ ", "", row) for row in told[1:7]] == [
        "+0.000 s api accepted caller=ann width=64",
        "+0.020 s api POST answered 202 method=POST status=202 duration_ms=21.5",
        "+0.500 s worker received attempts=1 queue_wait_seconds=0.5 device=cpu",
        "+2.000 s worker handed back reason=spot notice attempts=1 run_seconds=1.5 device_seconds=1 cost_dollars=2e-06 "
        "instance_type=local",
        "+6.000 s sweep queued again job_status=queued",
        "+8.000 s worker succeeded images=1 run_seconds=2 store_seconds=0.25 device_seconds=1.25 cost_dollars=3e-06 "
        "instance_type=local",
    ]
    assert told[8:] == [
        "waited 0.500 s until a worker took it up",
        "ran 3.500 s in 2 attempts",
        "generated 2.250 s of that, on the device",
        "stored 0.250 s of that, its pictures",
        "took 8.000 s from being accepted to its end",
        "cost 0.000005 $ for 2.250 s of the device",
    ]


def test_a_jobs_story_as_json_has_all_fields(run: Run) -> None:
    story = json.loads(run("job", JOB, "--format", "json").stdout)
    assert [moment["since_accepted_seconds"] for moment in story] == [0.0, 0.02, 0.5, 2.0, 6.0, 8.0]
    assert story[-1]["total_seconds"] == 8.0


def sums(tmp_path: Path, group: str, *lines: tuple[int, str]) -> list[str]:
    """How a job's story ends, of the lines that a stopped cloud kept."""
    kept = "".join(json.dumps((moment, group, "stream", message, moment)) + "\n" for moment, message in lines)
    (tmp_path / KEPT_LINES_NAME).write_text(kept)
    told = timeline.job_timeline(log_sources.laptop_logs((tmp_path,)), JOB, [group], at(0), at(60)).sums()
    return [" ".join(row.split()) for row in told]


def test_a_job_whose_only_attempt_was_lost_has_not_ended(tmp_path: Path) -> None:
    job = {"job_id": JOB, "queue_wait_seconds": 0.5}
    took = {"run_seconds": 2.0, "device_seconds": 1.0, "cost_dollars": 0.00001, "total_seconds": 3.0}
    received = line(1, "worker", "job_received", "received", **job)
    for event in ("job_lost", "job_handed_back"):
        assert sums(tmp_path, WORKER, received, line(3, "worker", event, "given up", **job, **took)) == [
            "waited 0.500 s until a worker took it up",
            "ran 2.000 s in 1 attempt",
            "cost 0.000010 $ for 1.000 s of the device",
            "it has not ended, as far as these lines tell",
        ]


def test_a_job_that_was_canceled_in_the_queue_met_no_worker(tmp_path: Path) -> None:
    waited = {"queue_wait_seconds": 0.5, "total_seconds": 0.5, "device_seconds": 0.0, "cost_dollars": 0.0}
    assert sums(tmp_path, API, line(1, "api", "job_canceled", "canceled", job_id=JOB, **waited)) == [
        "waited 0.500 s and no worker took it up",
        "took 0.500 s from being accepted to its end",
        "cost 0.000000 $ for 0.000 s of the device",
    ]


def test_a_job_that_is_not_there_or_not_the_only_one_is_an_error(run: Run) -> None:
    assert "fits 2 jobs" in run("job", "0f3cb2").stderr
    assert "no line of a job ffffff" in run("job", "ffffff").stderr
    assert "at least its first 6 characters" in run("job", "0f3").stderr
    assert "is no id" in run("job", "0f3cb2/ or 1=1").stderr


def test_arguments_that_do_not_go_together_are_refused(run: Run) -> None:
    assert "give one of them" in run("jobs/slowest", "--all").stderr
    assert "--all writes tables" in run("--all", "--format", "json").stderr
    assert "there is no saved query none" in run("none").stderr
    assert "takes no 0f3cb2a1; an id goes after `job`" in run("slowest", "0f3cb2a1").stderr
    assert "--set is for saved queries" in run("--query", "limit 1", "--set", "job_id=x").stderr
    assert "which job?" in run("job").stderr
    no_group = run("--query", "limit 1", "--group", "/none").stderr
    assert "there is no log group /none; there are " in no_group
    assert f"{API}," in no_group  # other tests' groups may be there, too
    assert "--since 5x" in run("--query", "limit 1", "--since", "5x").stderr
    assert run("--query", "limit 1", "--since", "1h", "--from", "2026-01-01").exit_code == 1


def test_what_a_stopped_cloud_kept_can_be_asked(run: Run, logged: Aws, tmp_path: Path) -> None:
    keep_lines(logged.client("logs"), tmp_path / KEPT_LINES_NAME)
    (tmp_path / "endpoint.json").unlink()
    result = run("jobs/slowest", "--format", "csv")
    assert result.stdout.splitlines()[1:] == [f"{JOB},8.0", f"{OTHER},0.5"]
    assert "these are of the lines it kept" in result.stderr
    nothing = run("jobs/slowest", "--since", "1s")
    assert "no local cloud is running" in nothing.stderr
    assert "0 rows" in nothing.stderr
    (tmp_path / KEPT_LINES_NAME).unlink()
    assert "none has kept its log" in run("jobs/slowest").stderr


def test_a_killed_cloud_is_told_from_a_quiet_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text(json.dumps({"aws_url": "http://127.0.0.1:9"}))
    assert "it was killed" in run("jobs/slowest").stderr


def test_every_line_is_read_also_beyond_a_page(aws: Aws, tmp_path: Path) -> None:
    group, first = f"/many/{time.time_ns()}", round(NOW.timestamp() * 1000)
    # Three in each millisecond, two of them the same, so that pages end between lines that can't be told apart.
    write(aws, group, [(first + n // 3, f"line {n // 2}") for n in range(10_000)])
    write(aws, group, [(first + n // 3, f"line {n // 2}") for n in range(10_000, 25_000)])
    found = read_lines(aws.client("logs"), [group], first, first + 10_000)
    assert [found_line.message for found_line in found] == [f"line {n // 2}" for n in range(25_000)]
    keep_lines(aws.client("logs"), tmp_path / "kept")
    assert [kept for kept in kept_lines(tmp_path / "kept") if kept.log_group == group] == found

    write(aws, group, [(first + 20_000, f"at once {n}") for n in range(10_001)])
    with pytest.raises(LinesError, match="in one millisecond"):
        read_lines(aws.client("logs"), [group], first + 20_000, first + 20_000)
    aws.client("logs").delete_log_group(logGroupName=group)


def test_a_group_that_is_not_there_has_no_lines(aws: Aws) -> None:
    assert read_lines(aws.client("logs"), ["/nowhere"], 0, 1) == []


@pytest.fixture
def cloudwatch(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """What the emulator lacks: a CloudWatch that takes its time over a query."""
    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    aws = Aws(session, {})
    monkeypatch.setattr(logs_command, "callers_aws", lambda profile, region: aws)
    monkeypatch.setattr(log_sources, "POLL_SECONDS", 0.01)
    with Stubber(aws.client("logs")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def row(**fields: str) -> list[dict[str, str]]:
    return [*({"field": name, "value": value} for name, value in fields.items()), {"field": "@ptr", "value": "x"}]


def test_cloudwatch_is_asked_and_waited_for(run: Run, cloudwatch: Stubber) -> None:
    query = 'fields job_id, total_seconds\n| filter event = "job_succeeded"\n| sort total_seconds desc\n'
    expected = {"logGroupNames": ["/ecs/team-sdxl-gpu"], "startTime": ANY, "endTime": ANY, "queryString": query}
    cloudwatch.add_response("start_query", {"queryId": "q"}, expected)
    statistics = {"recordsScanned": 12.0, "bytesScanned": 4096.0}
    cloudwatch.add_response("get_query_results", {"status": "Running", "statistics": statistics}, {"queryId": "q"})
    answer = [row(job_id="a", total_seconds="2.5"), row(job_id="b")]
    cloudwatch.add_response("get_query_results", {"status": "Complete", "results": answer}, {"queryId": "q"})
    result = run("jobs/slowest", "--aws", "--project", "team", "--format", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == [
        {"job_id": "a", "total_seconds": 2.5},
        {"job_id": "b", "total_seconds": None},
    ]


def test_a_query_that_cloudwatch_refuses_is_told_with_the_place_of_the_slip(run: Run, cloudwatch: Stubber) -> None:
    cloudwatch.add_client_error("start_query", "MalformedQueryException", "unexpected symbol")
    result = run("--query", "filter a = ", "--aws")
    assert result.exit_code == 1
    assert "line 1, column 12" in result.stderr
    cloudwatch.add_client_error("start_query", "MalformedQueryException", "unexpected symbol")
    assert "unexpected symbol" in run("--query", "pattern @nonsense", "--aws").stderr


def test_a_command_that_is_newer_than_our_list_goes_through_to_cloudwatch(run: Run, cloudwatch: Stubber) -> None:
    cloudwatch.add_response("start_query", {"queryId": "q"})
    cloudwatch.add_response("get_query_results", {"status": "Complete", "results": [row(n="3")]})
    result = run("--query", "brandNew n", "--aws", "--format", "json")
    assert json.loads(result.stdout) == [{"n": 3}]


def test_what_only_cloudwatch_knows_goes_through_to_it(run: Run, cloudwatch: Stubber) -> None:
    cloudwatch.add_response("start_query", {"queryId": "q"})
    found = {"status": "Complete", "results": [row(**{"@pattern": "job <*>", "@sampleCount": "3"})]}
    cloudwatch.add_response("get_query_results", found)
    result = run("--query", "pattern @message", "--aws", "--format", "json")
    assert json.loads(result.stdout) == [{"@pattern": "job <*>", "@sampleCount": 3}]


def test_a_query_that_fails_at_cloudwatch_is_an_error(run: Run, cloudwatch: Stubber) -> None:
    cloudwatch.add_response("start_query", {"queryId": "q"})
    cloudwatch.add_response("get_query_results", {"status": "Timeout", "results": []})
    result = run("--query", "limit 1", "--aws")
    assert (result.exit_code, "ended the query as timeout" in result.stderr) == (1, True)
    cloudwatch.add_client_error("start_query", "ResourceNotFoundException", "Log group /x does not exist")
    assert "Log group /x does not exist" in run("--query", "limit 1", "--aws").stderr


def test_a_jobs_story_comes_from_cloudwatch_too(run: Run, cloudwatch: Stubber) -> None:
    _, message = line(0, "api", "job_accepted", "accepted", job_id=JOB, correlation_id=REQUEST)
    for _ in range(2):
        cloudwatch.add_response("start_query", {"queryId": "q"})
        found = [row(**{"@timestamp": "2026-01-01 00:00:00.000", "@message": message})]
        cloudwatch.add_response("get_query_results", {"status": "Complete", "results": found})
    result = run("job", "0f3cb2a1", "--aws")
    assert result.exit_code == 0, result.output
    assert "+0.000 s  api      accepted" in result.stdout
    assert "it has not ended" in result.stdout


def test_the_fields_that_a_story_shows_are_in_the_vocabulary() -> None:
    shown = {name for names in (*timeline.SHOWN.values(), timeline.SHOWN_OTHERWISE) for name in names}
    assert shown <= FIELD_NAMES


def test_spans_of_time_are_read_and_checked() -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    minute = timedelta(minutes=1)
    assert time_span(None, None, None, now) == (now - 60 * minute, now + minute)
    assert time_span("2d", None, None, now) == (now - timedelta(days=2), now + minute)
    assert time_span("30m", None, "2026-01-30T12:00Z", now) == (
        now - timedelta(days=1, minutes=30),
        now - timedelta(days=1),
    )
    for since, start, end in (("0m", None, None), ("h", None, None), (None, "yesterday", None), (None, None, "2020")):
        with pytest.raises(AwsError):
            time_span(since, start, end, now)
    with pytest.raises(AwsError, match="ends before it begins"):
        time_span(None, "2026-02-01", "2026-01-01", now)


def test_of_two_logs_that_were_kept_the_newer_one_is_asked(tmp_path: Path) -> None:
    states = (tmp_path / "up", tmp_path / "demo")
    for age_seconds, state in enumerate(states):
        state.mkdir()
        kept = state / KEPT_LINES_NAME
        kept.write_text(json.dumps([1000, f"/ecs/{state.name}", "s", "{}", 1000]) + "\n")
        os.utime(kept, (1_000_000 - age_seconds, 1_000_000 - age_seconds))
    assert log_sources.laptop_logs(states).groups() == ["/ecs/up"]
    os.utime(states[1] / KEPT_LINES_NAME)
    assert log_sources.laptop_logs(states).groups() == ["/ecs/demo"]
