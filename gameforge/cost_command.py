"""`gameforge cost`: what jobs and idle time cost, by key, and what that comes to in a month."""

import csv
import io
import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from gameforge.cost_queries import read_costs
from gameforge.cost_report import CostReport
from gameforge.log_tables import Format
from gameforge.logs_command import asked_span, open_source
from gameforge.options import Profile, Project, Region, load_settings, reporting
from gameforge.saved_queries import read_saved_queries
from jobs import prices
from local_cloud.deployment import PROJECT

SINCE_DEFAULT: Final = "1d"
# The saved query whose log group is the workers'.
_WORKERS: Final = "jobs/cost"
IDLE: Final = "(idle)"
UNSETTLED: Final = "(unsettled)"

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def cost_command(
    since: Annotated[str | None, typer.Option(help="How far back, such as 12h or 30d. Default: 1d.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="From when, such as 2026-01-31T14:00 or ...Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Until when. Default: now.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it. CSV has the cost by key.")] = Format.TABLE,
    aws: Annotated[bool, typer.Option("--aws", help="Ask CloudWatch instead of the laptop cloud.")] = False,
    project: Project = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show what pictures cost, by key, what idle time cost, and what that comes to in a month.

    From the workers' own lines: seconds on the device, at the price of their share of the machine.
    """
    with reporting():
        settings = load_settings(None, project, region)
        saved = read_saved_queries(settings.project if aws else PROJECT)
        groups = tuple(dict.fromkeys(group for query in saved.values() for group in query.log_groups))
        with open_source(aws, profile, settings.region) as source:
            begins, ends = asked_span(source, since, start, end, SINCE_DEFAULT)
            report = read_costs(source, worker_groups=saved[_WORKERS].log_groups, groups=groups, start=begins, end=ends)
    if form is Format.JSON:
        console.print(json.dumps(_as_json(report), indent=2), markup=False, soft_wrap=True)
    elif form is Format.CSV:
        console.print(_as_csv(report), markup=False, soft_wrap=True, end="")
    else:
        _print(report)


def _ledger(report: CostReport) -> list[dict[str, Any]]:
    """Every dollar once: the keys', and what no job paid for."""
    rows: list[dict[str, Any]] = [asdict(key) for key in report.keys]
    for name, dollars in ((UNSETTLED, report.unsettled_dollars), (IDLE, report.idle_dollars)):
        if dollars or name == IDLE:
            rows.append({"caller": name, "dollars": dollars})
    return rows


def _as_json(report: CostReport) -> dict[str, Any]:
    return {
        "from": report.begins.isoformat(timespec="seconds"),
        "to": report.ends.isoformat(timespec="seconds"),
        "keys": [asdict(key) for key in report.keys],
        "workers": [asdict(worker) for worker in report.workers],
        "dollars": report.dollars,
        "jobs_dollars": report.jobs_dollars,
        "unsettled_dollars": report.unsettled_dollars,
        "idle_dollars": report.idle_dollars,
        "monthly_dollars": round(report.monthly(report.dollars), 2),
        "is_short": report.is_short,
        "unpriced_attempts": report.unpriced_attempts,
        "comparison": [asdict(monthly) for monthly in report.comparison()],
        "prices_of": prices.PRICES_DATE,
    }


def _as_csv(report: CostReport) -> str:
    file = io.StringIO()
    columns = ("caller", "jobs", "attempts", "images", "device_seconds", "dollars")
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_ledger(report))
    return file.getvalue()


def _print(report: CostReport) -> None:
    console.print(f"{report.begins:%Y-%m-%d %H:%M} to {report.ends:%Y-%m-%d %H:%M} UTC, {_length(report.span)}\n")
    by_key = _table("key", "jobs", "attempts", "pictures", "device seconds", "dollars")
    for row in _ledger(report):
        figures = [str(row.get(name, "")) for name in ("jobs", "attempts", "images")]
        seconds = f"{row['device_seconds']:,.1f}" if "device_seconds" in row else ""
        by_key.add_row(row["caller"], *figures, seconds, _dollars(row["dollars"]))
    by_key.add_section()
    by_key.add_row("together", "", "", "", "", _dollars(report.dollars))
    console.print(by_key)
    if report.workers:
        console.print()
        by_type = _table("workers on", "workers", "alive", "working", "dollars", "of it idle")
        for worker in report.workers:
            share = f"{worker.busy_seconds / worker.alive_seconds:.1%}" if worker.alive_seconds else ""
            alive = _length(timedelta(seconds=worker.alive_seconds))
            money = (_dollars(worker.alive_dollars), _dollars(worker.idle_dollars))
            by_type.add_row(worker.instance_type, str(worker.workers), alive, share, *money)
        console.print(by_type)
    console.print()
    months = _table(f"a month of {prices.HOURS_PER_MONTH} hours", "dollars", "times the CPU service")
    for monthly in report.comparison():
        months.add_row(monthly.name, f"${monthly.dollars:,.2f}", f"{monthly.times_cpu:.1f}")
    console.print(months)
    for sentence in _remarks(report):
        console.print(f"\n{sentence}", soft_wrap=True)


def _remarks(report: CostReport) -> list[str]:
    remarks = []
    if report.is_short:
        remarks.append(
            f"The month is projected from {_length(report.span)}: days and nights differ, so ask again later."
        )
    if report.unpriced_attempts:
        remarks.append(
            f"{report.unpriced_attempts} attempts ran on a machine without a price and are in no sum of dollars: set "
            "DollarsPerHour of the gpu-cluster stack."
        )
    if report.unsettled_dollars:
        remarks.append(f"{UNSETTLED} is work of jobs that still run, or whose worker was killed.")
    remarks.append(
        f"AWS's list prices as looked up on {prices.PRICES_DATE}, unless the gpu-cluster stack says otherwise. "
        "Not in it: hosts before their worker starts and after it stops, disks, network, storage and logs."
    )
    return remarks


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _dollars(amount: float) -> str:
    """Cents for what is worth some, three digits for less."""
    if amount == 0:
        return "$0"
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.3g}" if amount >= 0.0001 else f"${amount:.8f}"


def _length(span: timedelta) -> str:
    seconds = span.total_seconds()
    for name, unit in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} seconds"
