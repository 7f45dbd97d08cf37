"""Queries about workers and their queue: starts, memory, interruptions, idle time, backlog; and everything odd."""

from typing import Final

from jobs.logs import Event
from stacks.saved_queries.saved_query import API, SWEEP, WEBHOOKS, WORKER, SavedQuery, any_of

COLD_STARTS: Final = SavedQuery(
    "workers/cold-starts",
    "What each worker's cold start was made of, in seconds.",
    (WORKER,),
    f"""
    fields @timestamp, worker_id, device, instance_type, process_seconds, fetch_seconds, plan_seconds, weights_seconds,
      compile_seconds, first_step_seconds,
      process_seconds + fetch_seconds + plan_seconds + weights_seconds + compile_seconds + first_step_seconds as total
    | filter event = "{Event.COLD_START}"
    | sort @timestamp desc
    | limit 100
    """,
)
MEMORY: Final = SavedQuery(
    "workers/memory",
    "Workers that ran out of memory and went down a rung, and workers that fell back to the CPU.",
    (WORKER,),
    f"""
    fields @timestamp, event, worker_id, rung_before, rung, out_of_memory_count, cause, message, instance_type
    | filter event in {any_of(Event.RUNG_LOWERED, Event.GPU_UNUSABLE)}
    | sort @timestamp desc
    | limit 200
    """,
)
INTERRUPTIONS: Final = SavedQuery(
    "workers/interruptions",
    "Spot hosts that were reclaimed, workers that stopped or lost their device, and the jobs that they handed back.",
    (WORKER,),
    # A spot notice without its text is a warning that the metadata does not answer.
    f"""
    fields @timestamp, event, worker_id, job_id, reason, message, device_seconds, instance_type
    | filter (event = "{Event.SPOT_NOTICE}" and ispresent(notice)) or event in
      {any_of(Event.STOP_REQUESTED, Event.DEVICE_LOST, Event.DEVICE_HUNG, Event.JOB_HANDED_BACK, Event.WORKER_STOPPED)}
    | sort @timestamp desc
    | limit 200
    """,
)
WORKERS: Final = SavedQuery(
    "workers/alive",
    "Workers that were alive, how long each had work and how long it had none, and what that cost.",
    (WORKER,),
    f"""
    filter event = "{Event.WORKER_SAMPLE}"
    | stats latest(timestamp) as last_seen, latest(state) as last_state, latest(rung) as last_rung,
      sum(alive_seconds) as alive, sum(busy_seconds) as busy, sum(idle_seconds) as idle,
      100 * sum(busy_seconds) / sum(alive_seconds) as busy_percent,
      sum(alive_dollars) as dollars, sum(idle_dollars) as dollars_for_nothing
      by worker_id, device, instance_type
    | sort last_seen desc
    """,
)
IDLE: Final = SavedQuery(
    "workers/idle",
    "Workers by hour: how many were alive, the share of their time that had work, and what the rest cost.",
    (WORKER,),
    f"""
    filter event = "{Event.WORKER_SAMPLE}"
    | stats count_distinct(worker_id) as workers, sum(alive_seconds) as alive, sum(idle_seconds) as idle,
      100 * sum(busy_seconds) / sum(alive_seconds) as busy_percent,
      sum(alive_dollars) as dollars, sum(idle_dollars) as dollars_for_nothing
      by bin(1h) as hour
    | sort hour desc
    """,
)
BACKLOG: Final = SavedQuery(
    "queue/backlog",
    "The queue as the sweep saw it: depth, the longest wait in seconds, workers alive, jobs that it queued again.",
    (SWEEP,),
    f"""
    filter event = "{Event.SWEPT}"
    | stats max(queue_depth) as depth, max(oldest_job_seconds) as longest_wait, min(live_workers) as workers,
      max(backlog_without_worker) as depth_without_worker, sum(jobs) as queued_again
      by bin(5m) as time
    | sort time desc
    """,
)
WARNINGS: Final = SavedQuery(
    "logs/warnings",
    "Everything that any part of the system warned of, the most frequent first.",
    (API, SWEEP, WEBHOOKS, WORKER),
    """
    filter level in ["WARNING", "ERROR", "CRITICAL"]
    | stats count(*) as lines, latest(timestamp) as last, latest(message) as example by service, event
    | sort lines desc
    """,
)
