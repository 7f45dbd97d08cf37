"""Queries about jobs: one, the slowest, the failed, how many, how long, and what they cost."""

from typing import Final

from jobs.logs import Event
from stacks.saved_queries.saved_query import API, JOB_ID_TOKEN, SWEEP, WEBHOOKS, WORKER, SavedQuery, any_of

# Each attempt at a job writes one of these lines, so a sum over them counts each attempt once. One whose worker was
# killed writes none: what that cost is in the workers' time alone.
ATTEMPT_ENDS: Final = (
    Event.JOB_SUCCEEDED,
    Event.JOB_FAILED,
    Event.JOB_CANCELED,
    Event.JOB_HANDED_BACK,
    Event.JOB_LOST,
)
STORY: Final = SavedQuery(
    "jobs/story",
    f"One job's lines. Put its correlation id (or its id, which its request lacks) in the place of {JOB_ID_TOKEN}.",
    (API, SWEEP, WEBHOOKS, WORKER),
    f"""
    fields @timestamp, service, event, message, caller, worker_id, attempts, reason, error_code, status, duration_ms,
      queue_wait_seconds, generate_seconds, store_seconds, run_seconds, total_seconds, device_seconds, cost_dollars
    | filter job_id = "{JOB_ID_TOKEN}" or correlation_id = "{JOB_ID_TOKEN}"
    | sort @timestamp asc
    | limit 1000
    """,
)
SLOWEST: Final = SavedQuery(
    "jobs/slowest",
    "The slowest jobs, with the seconds that each phase took.",
    (WORKER,),
    f"""
    fields @timestamp, job_id, caller, total_seconds, queue_wait_seconds, generate_seconds, store_seconds, run_seconds,
      attempts, batch_jobs, images, pixel_steps, device, instance_type
    | filter event in {any_of(Event.JOB_SUCCEEDED, Event.JOB_FAILED)}
    | sort total_seconds desc
    | limit 25
    """,
)
PERCENTILES: Final = SavedQuery(
    "jobs/percentiles",
    "Seconds that succeeded jobs waited, ran and took from end to end, at p50, p90 and p99, by hour.",
    (WORKER,),
    f"""
    filter event = "{Event.JOB_SUCCEEDED}"
    | stats count(*) as jobs,
      pct(queue_wait_seconds, 50) as wait_p50, pct(queue_wait_seconds, 90) as wait_p90,
      pct(queue_wait_seconds, 99) as wait_p99,
      pct(run_seconds, 50) as run_p50, pct(run_seconds, 90) as run_p90, pct(run_seconds, 99) as run_p99,
      pct(total_seconds, 50) as total_p50, pct(total_seconds, 90) as total_p90, pct(total_seconds, 99) as total_p99
      by bin(1h) as hour
    | sort hour desc
    """,
)
FAILURES: Final = SavedQuery(
    "jobs/failures",
    "Jobs that failed, and jobs that had to be tried again, with the cause.",
    (WORKER, SWEEP),
    # A job on its second attempt lost a worker that could write no line: its end is the one place that tells.
    f"""
    fields @timestamp, event, job_id, caller, attempts, coalesce(error_code, reason) as cause, message, worker_id,
      device, instance_type
    | filter event in {any_of(Event.JOB_FAILED, Event.JOB_HANDED_BACK, Event.JOB_LOST, Event.JOB_QUEUED_AGAIN)}
      or (event in {any_of(Event.JOB_SUCCEEDED, Event.JOB_CANCELED)} and attempts > 1)
    | sort @timestamp desc
    | limit 200
    """,
)
THROUGHPUT: Final = SavedQuery(
    "jobs/throughput",
    "Jobs and pictures by hour, and what a picture took of the device.",
    (WORKER,),
    f"""
    filter event = "{Event.JOB_SUCCEEDED}"
    | stats count(*) as jobs, sum(images) as pictures, sum(pixel_steps) as pixel_steps_done,
      sum(device_seconds) as device_seconds_used, sum(device_seconds) / sum(images) as device_seconds_a_picture,
      avg(batch_jobs) as jobs_at_once
      by bin(1h) as hour
    | sort hour desc
    """,
)
COST: Final = SavedQuery(
    "jobs/cost",
    "What each key's jobs used and cost, by day: every attempt, also of jobs that failed or were canceled.",
    (WORKER,),
    f"""
    filter ispresent(device_seconds)
      and event in {any_of(*ATTEMPT_ENDS)}
    | stats count_distinct(job_id) as jobs, count(*) as tries, sum(images) as pictures,
      sum(device_seconds) as device_seconds_used, sum(cost_dollars) as dollars
      by bin(1d) as day, caller, device
    | sort day desc, dollars desc
    """,
)
