"""`gameforge logs`: saved and ad-hoc Logs Insights queries, over the laptop cloud's logs or CloudWatch."""

import difflib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from gameforge.aws import callers_aws
from gameforge.aws_errors import AwsError
from gameforge.log_sources import CloudWatchLogs, LaptopLogs, Source, laptop_logs
from gameforge.log_tables import PIPE_WIDTH, Format, write_result
from gameforge.log_times import time_span
from gameforge.options import Profile, Project, Region, load_settings, reporting
from gameforge.saved_queries import SavedQuery, find_query, read_saved_queries
from gameforge.timeline import COLUMNS, Timeline, job_timeline
from insights import QueryError, Result, parse
from jobs.logs import FIELD_NAMES
from local_cloud import DEMO_STATE, STATE
from local_cloud.deployment import PROJECT

# Of `make up`, and of `make demo`.
STATES: Final = (STATE, DEMO_STATE)
JOB: Final = "job"
JOB_ID: Final = "job_id"
# Jobs are asked about the day after, too.
JOB_SINCE: Final = "1d"
_NEWEST_JOB: Final = "filter ispresent(job_id) | fields job_id | sort @timestamp desc | limit 1"

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def logs_command(
    name: Annotated[
        str | None, typer.Argument(help="A saved query; or `job`. None: list the saved queries.", show_default=False)
    ] = None,
    job_id: Annotated[
        str | None,
        typer.Argument(help="After `job`: the job's id, at least 6 characters of it, or a correlation id."),
    ] = None,
    query: Annotated[str | None, typer.Option("--query", "-q", help="A query of your own.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Run all saved queries.")] = False,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="A value that a saved query needs, such as job_id=0f3c...")
    ] = None,
    since: Annotated[str | None, typer.Option(help="How far back, such as 30m, 2h or 7d. Default: 1h.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="From when, such as 2026-01-31T14:00 or ...Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Until when. Default: now.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write the answer.")] = Format.TABLE,
    limit: Annotated[int | None, typer.Option(min=1, help="The first rows only.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Log group. Default: the saved query's, or all that saved queries read.")
    ] = None,
    aws: Annotated[bool, typer.Option("--aws", help="Ask CloudWatch instead of the laptop cloud.")] = False,
    project: Project = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Ask the logs: saved queries, your own, or one job's story.

    Over the laptop cloud that runs, or the log that the last one kept; over CloudWatch with --aws. The language is that
    of CloudWatch Logs Insights; docs/logs.md says how much of it runs at home.
    """
    with reporting():
        settings = load_settings(None, project, region)
        saved = read_saved_queries(settings.project if aws else PROJECT)
        if name is None and query is None and not every:
            _list(saved)
            return
        if (name is not None) + (query is not None) + every > 1:
            raise AwsError("a saved query's name, --query and --all: give one of them.")
        if job_id is not None and name != JOB:
            raise AwsError(f"{name} takes no {job_id}; an id goes after `job`, and a saved query's value into --set.")
        if values and name in (None, JOB):
            raise AwsError("--set is for saved queries that need a value.")
        if every and form is not Format.TABLE:
            raise AwsError(f"--all writes tables; ask one query at a time for {form}.")
        groups = tuple(group or dict.fromkeys(each for one in saved.values() for each in one.log_groups))
        with open_source(aws, profile, settings.region) as source:
            _check_groups(source, group or ())
            span = asked_span(source, since, start, end, JOB_SINCE if name == JOB else None)
            if name == JOB:
                _show_job(job_timeline(source, job_id or "", groups, *span), form)
            elif every:
                _run_all(source, saved, span, limit)
            elif query is not None:
                _show(source.ask(query, groups, *span), form, limit)
                _hint(query)
            else:
                found = find_query(saved, name or "")
                text = found.with_values(_values(values or []))
                _show(source.ask(text, group or found.log_groups, *span), form, limit)


@contextmanager
def open_source(aws: bool, profile: str | None, region: str | None) -> Iterator[Source]:
    """Where the logs are: the laptop cloud, or CloudWatch. Raises `AwsError`."""
    if not aws:
        yield laptop_logs(STATES)
        return
    with errors.status("asking CloudWatch") as status:
        yield CloudWatchLogs(callers_aws(profile, region), status.update)


def asked_span(
    source: Source, since: str | None, start: str | None, end: str | None, since_default: str | None
) -> tuple[datetime, datetime]:
    """From when to when; without any of the options, all lines that a stopped cloud has kept. Raises `AwsError`."""
    if isinstance(source, LaptopLogs) and source.span:
        first, last = source.span
        errors.print(
            f"no local cloud is running: these are of the lines it kept, {first:%d %B %H:%M} to {last:%d %B %H:%M}"
        )
        if not (since or start or end):
            return first, last
    return time_span(since or (None if start else since_default), start, end)


def _check_groups(source: Source, groups: Sequence[str]) -> None:
    """CloudWatch says itself what is not there; at home, a group without lines yet is no error in a saved query."""
    if not isinstance(source, LaptopLogs):
        return
    known = source.groups() if groups else []
    if unknown := [group for group in groups if group not in known]:
        raise AwsError(f"there is no log group {unknown[0]}; there are {', '.join(known)}.")


def _hint(query: str) -> None:
    """Name the fields that are not in the vocabulary: a slip in a name has no other sign than an empty answer."""
    try:
        read = parse(query).fields_read
    except QueryError:
        return
    for name in sorted(read - FIELD_NAMES):
        likely = difflib.get_close_matches(name, FIELD_NAMES, n=1)
        errors.print(f"{name} is no name of our vocabulary" + (f"; did you mean {likely[0]}?" if likely else "."))


def _values(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for text, (name, equals, value) in zip(texts, pairs, strict=True):
        if not (name and equals and value):
            raise AwsError(f"--set {text}: write a name and a value, such as job_id=0f3c...")
    return {name: value for name, _, value in pairs}


def _list(saved: dict[str, SavedQuery]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for query in saved.values():
        table.add_row(query.name, query.sentence)
    (console if console.is_terminal else Console(file=console.file, width=PIPE_WIDTH, highlight=False)).print(table)
    errors.print("\nRun one with `gameforge logs NAME`; `gameforge logs job ID` tells one job's story.")


def _show(result: Result, form: Format, limit: int | None) -> None:
    result = Result(result.columns, result.rows[:limit])
    write_result(result, form, console)
    if form is Format.TABLE:
        errors.print(f"{len(result.rows):,} row{'' if len(result.rows) == 1 else 's'}")


def _run_all(source: Source, saved: dict[str, SavedQuery], span: tuple[datetime, datetime], limit: int | None) -> None:
    groups = tuple(dict.fromkeys(group for query in saved.values() for group in query.log_groups))
    newest = source.ask(_NEWEST_JOB, groups, *span).rows
    for query in saved.values():
        console.print(f"\n[bold]{query.name}[/]  {query.sentence}", soft_wrap=True)
        if query.needs and (query.needs != (JOB_ID,) or not newest):
            console.print(f"skipped: it needs {', '.join(query.needs)}, and no job has a line here")
            continue
        text = query.with_values({JOB_ID: str(newest[0][0])} if query.needs else {})
        _show(source.ask(text, query.log_groups, *span), Format.TABLE, limit)


def _show_job(timeline: Timeline, form: Format) -> None:
    if form is Format.JSON:
        lines = [{**moment.line, COLUMNS[1]: moment.since_accepted_seconds} for moment in timeline.moments]
        console.print(json.dumps(lines, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
        return
    if form is Format.CSV:
        rows = tuple(
            (moment.at.isoformat(), moment.since_accepted_seconds, *(moment.line.get(name) for name in COLUMNS[2:]))
            for moment in timeline.moments
        )
        write_result(Result(COLUMNS, rows), form, console)
        return
    console.print(f"job {timeline.job_id}", markup=False)
    for moment in timeline.moments:
        at = moment.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        service, message = moment.line.get("service", ""), moment.line.get("message", "")
        text = f"{at} {moment.since_accepted_seconds:+9.3f} s  {service:<8} {message}"
        console.print(f"{text}  {moment.details}".rstrip(), markup=False, soft_wrap=True)
    console.print()
    for sentence in timeline.sums():
        console.print(sentence, markup=False, soft_wrap=True)
