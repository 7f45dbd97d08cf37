"""Queries about requests to the API: errors, refusals and latency."""

from typing import Final

from jobs.logs import Event
from stacks.saved_queries.saved_query import API, SavedQuery

ERRORS: Final = SavedQuery(
    "api/errors",
    "Requests that got an error, by code and route; `example` is a correlation id for jobs/story.",
    (API,),
    f"""
    filter event = "{Event.REQUEST}" and status >= 400
    | stats count(*) as requests, latest(timestamp) as last, latest(correlation_id) as example
      by status, error_code, method, route
    | sort requests desc
    """,
)
REFUSALS: Final = SavedQuery(
    "api/refusals",
    "Requests that were refused (4xx), by key: 429 is a key over its limit.",
    (API,),
    f"""
    filter event = "{Event.REQUEST}" and status >= 400 and status < 500
    | stats count(*) as requests, count_distinct(route) as routes, latest(timestamp) as last
      by caller, status, error_code
    | sort requests desc
    """,
)
LATENCY: Final = SavedQuery(
    "api/latency",
    "Milliseconds that the API took, by route, without the time that requests waited for a job on their client's wish.",
    (API,),
    f"""
    fields duration_ms - waited_ms as own_ms
    | filter event = "{Event.REQUEST}"
    | stats count(*) as requests, pct(own_ms, 50) as p50, pct(own_ms, 95) as p95, max(own_ms) as slowest,
      max(waited_ms) as longest_wait
      by method, route
    | sort p95 desc
    """,
)
