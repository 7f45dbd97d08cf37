"""Names that the templates, the API and the worker agree on: environment variables, table keys and indexes, limits."""

from typing import Final

# Environment variables. The templates set them, `jobs.settings` reads them.
ENV_PROJECT: Final = "GAMEFORGE_PROJECT"
ENV_JOBS_TABLE: Final = "GAMEFORGE_JOBS_TABLE"
ENV_IMAGES_BUCKET: Final = "GAMEFORGE_IMAGES_BUCKET"
ENV_GPU_QUEUE_URL: Final = "GAMEFORGE_GPU_QUEUE_URL"
ENV_CPU_QUEUE_URL: Final = "GAMEFORGE_CPU_QUEUE_URL"
# A worker reads one queue; which one is its deployment's choice.
ENV_QUEUE_URL: Final = "GAMEFORGE_QUEUE_URL"
# Where messages go that no worker can finish; without it they stay on their queue until SQS moves them.
ENV_DEAD_LETTER_QUEUE_URL: Final = "GAMEFORGE_DEAD_LETTER_QUEUE_URL"
ENV_MODEL: Final = "GAMEFORGE_MODEL"
ENV_CACHE_DIRECTORY: Final = "GAMEFORGE_CACHE_DIRECTORY"

# The jobs table: one item a job.
JOB_ID: Final = "job_id"
OWNER: Final = "owner"
STATUS: Final = "status"
CREATED_AT: Final = "created_at"
EXPIRES_AT: Final = "expires_at"
OWNER_INDEX: Final = "by-owner"
STATUS_INDEX: Final = "by-status"

# A worker renews a message's invisibility while its job runs, so this only has to outlast a lost worker's silence.
VISIBILITY_TIMEOUT_SECONDS: Final = 60
# Receipts are not attempts (a job that was handed back costs none), so the queue's own limit is the last resort: it has
# to outlast an outage of the table, during which each receipt comes to nothing.
MAX_RECEIVE_COUNT: Final = 100
# From SIGTERM to SIGKILL, inside the 120 s between a spot notice and the reclaim. The worker exits well before.
STOP_TIMEOUT_SECONDS: Final = 90

LAMBDA_HANDLER: Final = "lambda_api.handler.handler"
WORKER_COMMAND: Final = ("python", "-m", "gpu_service")

# How long a worker may fall silent before its job goes to another one, in seconds; default VISIBILITY_TIMEOUT_SECONDS.
ENV_LEASE_SECONDS: Final = "GAMEFORGE_LEASE_SECONDS"
# The picture size, in pixels, of a request that names none: what the deployed model was trained for.
ENV_DEFAULT_SIZE_PX: Final = "GAMEFORGE_DEFAULT_SIZE_PX"
# How the UNet is compiled: regional, full or off; the worker's plan decides where it is left out.
ENV_COMPILE: Final = "GAMEFORGE_COMPILE"
# The shortest time, in seconds, after which a silent step counts as a hung device; the worker raises it to its pace.
ENV_STEP_BUDGET_SECONDS: Final = "GAMEFORGE_STEP_BUDGET_SECONDS"
# "true" asks the EC2 instance metadata for spot notices. Needs hosts whose metadata a container can reach.
ENV_WATCH_SPOT_NOTICES: Final = "GAMEFORGE_WATCH_SPOT_NOTICES"
