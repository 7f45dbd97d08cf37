"""Faults in what watches: figures that nothing sends, queries of what nothing writes, alarms that lead nowhere."""

from typing import Final

from stacks.mutants.mutant import Edit, Mutant, append, drop, put, replace

_BODY: Final = "Dashboard/DashboardBody/Fn::Sub"

_FAULTS: Final[dict[str, Edit]] = {
    # alarms
    "alarm on a metric with a typing error": put("DailyCostAlarm/MetricName", "AliveDollar"),
    "alarm on another service's figure": put("OldestJobAlarm/Dimensions/1/Value", "worker"),
    "alarm on a figure by one dimension of two": drop("LatencyAlarm/Dimensions/0"),
    "alarm by a dimension that is not sent": append("LatencyAlarm/Dimensions", {"Name": "route", "Value": "/v1/jobs"}),
    "metric math over a figure that nothing sends": put(
        "ErrorShareAlarm/Metrics/1/MetricStat/Metric/MetricName", "5xx"
    ),
    "metric math over nothing": put("IdleGpuAlarm/Metrics/2/Expression", "IF(hosts > 0 AND work == 0, 1, 0)"),
    "group's figure by instance": put("IdleGpuAlarm/Metrics/0/MetricStat/Metric/Dimensions/0/Name", "InstanceId"),
    "rule's figure by group": put("LaunchFailuresAlarm/Dimensions/0/Name", "AutoScalingGroupName"),
    "alarm whose link is dead": replace("DeadLettersAlarm/AlarmDescription/Fn::Sub", "#dead-letters", "#dead-letter"),
    "alarm that says nothing": drop("CrashesAlarm/AlarmDescription"),
    "alarm with the same name everywhere": put("CrashesAlarm/AlarmName", "crashes"),
    "missing data treated as it is not": put("DeadLettersAlarm/TreatMissingData", "ok"),
    "alarm left out": drop("/Resources/DailyCostAlarm"),
    # queries
    "query of a field with a typing error": replace("JobsSlowestQuery/QueryString", "total_seconds", "total_second"),
    "query of an event that does not happen": replace("JobsFailuresQuery/QueryString", "job_lost", "job_was_lost"),
    "query in another case": replace("ApiErrorsQuery/QueryString", '"request"', '"Request"'),
    "query with a command that there is not": replace("JobsCostQuery/QueryString", "| sort", "| order"),
    "query with half a function": replace(
        "JobsPercentilesQuery/QueryString", "pct(run_seconds, 99)", "pct(run_seconds"
    ),
    "query under another project's name": put("QueueBacklogQuery/Name", "gameforge/queue/backlog"),
    "query left out": drop("/Resources/WorkersMemoryQuery"),
    # dashboard
    "widget of a metric that nothing sends": replace(_BODY, '"TotalSeconds"', '"JobSeconds"'),
    "widget by another dimension": replace(_BODY, '"project"', '"Project"'),
    "widget of a queue by its URL": replace(_BODY, '"QueueName"', '"QueueUrl"'),
    "widget with a query of nothing": replace(_BODY, "sum(cost_dollars)", "sum(cost)"),
    "dashboard that is not JSON": replace(_BODY, '"start": "-PT6H",', '"start": "-PT6H"'),
    # launch failures
    "failures that nobody hears": drop("LaunchFailuresRule/Targets/0/Arn"),
}
MUTANTS: Final = tuple(Mutant("observability", "observability", name, edit) for name, edit in _FAULTS.items())
