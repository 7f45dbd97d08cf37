"""The alarms: each says what has happened, what to do, and where the runbook goes on."""

from dataclasses import dataclass
from typing import Final

from troposphere import Parameter, Ref, cloudwatch

from jobs.metrics import Metric
from stacks import constants as c
from stacks.alarm_parts import alarm, math, single, topic
from stacks.measures import DEAD_LETTERS, HOSTS_RUNNING, LAUNCH_FAILURES, function_errors, ours

MINUTE_SECONDS: Final = 60
FIVE_MINUTES_SECONDS: Final = 300
DAY_SECONDS: Final = 86_400
# Of fewer requests, one that fails is a large share and says little.
REQUESTS_MIN: Final = 20
# A host takes up to five minutes to come, and the first pull of image and model as long again.
WORKER_ARRIVES_MINUTES: Final = 15
IDLE_MINUTES: Final = 30
# A metric that nothing writes while nothing happens.
QUIET_IS_FINE: Final = "notBreaching"
# A metric that comes every minute, so that silence is a fault, and one of another kind than the alarm's own.
QUIET_IS_TOLD: Final = "missing"


@dataclass(frozen=True)
class Thresholds:
    """The parameters that say when it is too much."""

    oldest_job_seconds: Parameter
    error_percent: Parameter
    latency_milliseconds: Parameter
    daily_cost_dollars: Parameter


def alarms(chosen: Thresholds) -> list[cloudwatch.Alarm]:
    """All alarms, by what they are about: work that is stuck, what clients see, and money."""
    return [*_stuck(chosen), *_seen_by_clients(chosen), *_costly(chosen)]


def _stuck(chosen: Thresholds) -> list[cloudwatch.Alarm]:
    return [
        alarm(
            "OldestJobAlarm",
            "oldest-job",
            "A job has waited too long for a worker. Without data: the sweep, which measures that, does not run.",
            "See whether workers are alive and hosts come.",
            single(ours(Metric.OLDEST_JOB_SECONDS), "Maximum", MINUTE_SECONDS),
            Threshold=Ref(chosen.oldest_job_seconds),
            EvaluationPeriods=5,
            DatapointsToAlarm=3,
            TreatMissingData=QUIET_IS_TOLD,
            InsufficientDataActions=[topic()],
        ),
        alarm(
            "BacklogWithoutWorkerAlarm",
            "backlog-without-worker",
            f"Jobs are queued, and no worker has been alive for {WORKER_ARRIVES_MINUTES} minutes.",
            "See why no host comes, or why the worker on it does not start.",
            single(ours(Metric.BACKLOG_WITHOUT_WORKER), "Minimum", MINUTE_SECONDS),
            Threshold=0,
            EvaluationPeriods=WORKER_ARRIVES_MINUTES,
            # That the sweep is silent is told by the alarm on the oldest job.
            TreatMissingData=QUIET_IS_FINE,
        ),
        alarm(
            "LaunchFailuresAlarm",
            "launch-failures",
            "A GPU host could not be launched: no quota, no capacity, or a fault in its launch template.",
            "Read the reason in the message that came with it.",
            single(LAUNCH_FAILURES, "Sum", FIVE_MINUTES_SECONDS),
            Threshold=0,
            EvaluationPeriods=1,
            TreatMissingData=QUIET_IS_FINE,
        ),
        alarm(
            "DeadLettersAlarm",
            "dead-letters",
            "A message was given up: a job that no worker could finish, or a webhook that could not be delivered.",
            "Read it, mend the cause, then send it back to its queue or delete it.",
            single(DEAD_LETTERS, "Maximum", MINUTE_SECONDS),
            Threshold=0,
            EvaluationPeriods=1,
            # SQS stops to measure a queue that has been empty for hours.
            TreatMissingData=QUIET_IS_FINE,
        ),
    ]


def _seen_by_clients(chosen: Thresholds) -> list[cloudwatch.Alarm]:
    return [
        alarm(
            "ErrorShareAlarm",
            "error-share",
            "Too many requests end in a server error.",
            "See by which code and on which route, then read the lines of one such request.",
            math(
                f"IF(requests >= {REQUESTS_MIN}, 100 * errors / requests, 0)",
                "server errors, percent of requests",
                FIVE_MINUTES_SECONDS,
                requests=(ours(Metric.REQUESTS), "Sum"),
                errors=(ours(Metric.SERVER_ERRORS), "Sum"),
            ),
            Threshold=Ref(chosen.error_percent),
            EvaluationPeriods=3,
            DatapointsToAlarm=2,
            TreatMissingData=QUIET_IS_FINE,
        ),
        alarm(
            "CrashesAlarm",
            "crashes",
            "A function of the API crashed or ran out of time, so a client got no answer from it.",
            "Read the traceback in the function's log.",
            math(
                # What is not called has no metric.
                "SUM([FILL(api, 0), FILL(authorizer, 0)])",
                "crashes",
                FIVE_MINUTES_SECONDS,
                api=(function_errors(c.API_FUNCTION_NAME), "Sum"),
                authorizer=(function_errors(c.AUTHORIZER_NAME), "Sum"),
            ),
            Threshold=0,
            EvaluationPeriods=1,
            TreatMissingData=QUIET_IS_FINE,
        ),
        alarm(
            "LatencyAlarm",
            "latency",
            "The API has been slow for 15 minutes, by its 95th percentile.",
            "See which route it is, and whether DynamoDB or SQS throttles.",
            single(ours(Metric.LATENCY), "p95", FIVE_MINUTES_SECONDS),
            Threshold=Ref(chosen.latency_milliseconds),
            EvaluationPeriods=3,
            TreatMissingData=QUIET_IS_FINE,
        ),
    ]


def _costly(chosen: Thresholds) -> list[cloudwatch.Alarm]:
    return [
        alarm(
            "IdleGpuAlarm",
            "idle-gpu",
            f"A GPU host has run for {IDLE_MINUTES} minutes while no worker had anything to do.",
            "See what keeps it: managed scaling, MinInstances, or a worker that never came up.",
            math(
                # A host whose worker never came up sends no busy seconds at all.
                "IF(hosts > 0 AND FILL(busy, 0) == 0, 1, 0)",
                "hosts that run for nothing",
                FIVE_MINUTES_SECONDS,
                hosts=(HOSTS_RUNNING, "Minimum"),
                busy=(ours(Metric.BUSY_SECONDS), "Sum"),
            ),
            Threshold=0,
            EvaluationPeriods=IDLE_MINUTES * MINUTE_SECONDS // FIVE_MINUTES_SECONDS,
            # A group that is not there has no hosts.
            TreatMissingData=QUIET_IS_FINE,
        ),
        alarm(
            "DailyCostAlarm",
            "daily-cost",
            "The workers have cost more in a day than they may.",
            "See which key used them, and how much of it was idle.",
            single(ours(Metric.ALIVE_DOLLARS), "Sum", DAY_SECONDS),
            Threshold=Ref(chosen.daily_cost_dollars),
            EvaluationPeriods=1,
            TreatMissingData=QUIET_IS_FINE,
        ),
    ]
