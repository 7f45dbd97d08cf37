"""The saved Logs Insights queries: what each answers, over which log groups, in the vocabulary of `jobs.logs`."""

from typing import Final

from stacks.saved_queries import of_api, of_jobs, of_workers
from stacks.saved_queries.saved_query import SavedQuery

QUERIES: Final[tuple[SavedQuery, ...]] = (
    *(of_jobs.STORY, of_jobs.SLOWEST, of_jobs.PERCENTILES, of_jobs.FAILURES, of_jobs.THROUGHPUT, of_jobs.COST),
    *(of_api.ERRORS, of_api.REFUSALS, of_api.LATENCY),
    *(of_workers.COLD_STARTS, of_workers.MEMORY, of_workers.INTERRUPTIONS, of_workers.WORKERS, of_workers.IDLE),
    *(of_workers.BACKLOG, of_workers.WARNINGS),
)
