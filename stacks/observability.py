"""The `observability` stack: saved log queries, alarms, the dashboard, and launch failures told as they happen."""

import json

from troposphere import Parameter, Sub, Template, events, logs

from stacks import constants as c
from stacks import parameters
from stacks.alarm_parts import topic
from stacks.alarms import Thresholds, alarms
from stacks.dashboard import dashboard
from stacks.saved_queries import QUERIES
from stacks.saved_queries.saved_query import SavedQuery
from stacks.template import add, new_template, output, project_tags


def build() -> Template:
    """The template."""
    chosen = _thresholds()
    template = new_template(
        "observability",
        "GameForge SDXL observability: saved log queries, alarms with a runbook, and a dashboard.",
        {
            "Project": [parameters.project()],
            "Alarms": [
                chosen.oldest_job_seconds,
                chosen.error_percent,
                chosen.latency_milliseconds,
                chosen.daily_cost_dollars,
                _runbook_url(),
            ],
        },
    )
    watching = alarms(chosen)
    add(template, *map(_definition, QUERIES), *watching, _launch_failures())
    add(template, dashboard([str(alarm.title) for alarm in watching]))
    console = "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#dashboards:name="
    add(template, output("DashboardUrl", "Where the dashboard is.", Sub(console + c.DASHBOARD_NAME)))
    return template


def _definition(query: SavedQuery) -> logs.QueryDefinition:
    words = query.name.replace("/", "-").split("-")
    return logs.QueryDefinition(
        f"{''.join(word.capitalize() for word in words)}Query",
        Name=Sub(f"{c.PROJECT_REFERENCE}/{query.name}"),
        LogGroupNames=[Sub(group) for group in query.groups],
        QueryString=query.text,
    )


def _launch_failures() -> events.Rule:
    """Tells the reason of each failure, which no metric carries; the alarm counts how often this rule fires."""
    message = f"{c.PROJECT_REFERENCE} could not launch a GPU host: <status> What to do: ${{RunbookUrl}}#launch-failures"
    return events.Rule(
        "LaunchFailuresRule",
        Name=Sub(c.LAUNCH_FAILURES_RULE_NAME),
        Description="Tells why a GPU host could not be launched.",
        EventPattern={
            "source": ["aws.autoscaling"],
            "detail-type": ["EC2 Instance Launch Unsuccessful"],
            "detail": {"AutoScalingGroupName": [Sub(c.AUTO_SCALING_GROUP_NAME)]},
        },
        State="ENABLED",
        Targets=[
            events.Target(
                Id="alerts",
                Arn=topic(),
                InputTransformer=events.InputTransformer(
                    InputPathsMap={"status": "$.detail.StatusMessage"}, InputTemplate=Sub(json.dumps(message))
                ),
            )
        ],
        Tags=project_tags(),
    )


def _runbook_url() -> Parameter:
    return parameters.text(
        "RunbookUrl",
        "Where the runbook is, for the links in alarms: docs/runbook.md as your people can open it.",
        default="docs/runbook.md",
        pattern=r"^[A-Za-z0-9:/._~%?=&-]{1,200}$",
        constraint="Give a URL or path of up to 200 characters without spaces, and without an anchor.",
    )


def _thresholds() -> Thresholds:
    return Thresholds(
        oldest_job_seconds=parameters.number(
            "OldestJobSecondsMax",
            "Seconds that a job may wait for a worker before there is an alarm.",
            default=c.OLDEST_JOB_SECONDS_MAX,
            minimum=60,
            maximum=86_400,
            unit="seconds",
        ),
        error_percent=parameters.number(
            "ErrorPercentMax",
            "Percent of requests that may end in a server error before there is an alarm.",
            default=c.ERROR_PERCENT_MAX,
            minimum=0,
            maximum=99,
            unit="percent",
        ),
        latency_milliseconds=parameters.number(
            "LatencyMillisecondsMax",
            "Milliseconds within which the API has to answer 95 of 100 requests, not counting waits that they ask for.",
            default=c.LATENCY_MILLISECONDS_MAX,
            minimum=50,
            maximum=29_000,
            unit="milliseconds",
        ),
        daily_cost_dollars=parameters.number(
            "DailyCostDollarsMax",
            "Dollars that the workers may cost in a day before there is an alarm.",
            default=c.DAILY_COST_DOLLARS_MAX,
            minimum=1,
            maximum=100_000,
            unit="dollars",
        ),
    )
