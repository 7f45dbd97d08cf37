"""Orders for pictures, free of HTTP: priced, counted against the key's limits, written once, and queued."""

import hashlib
import time
from typing import Final
from uuid import uuid4

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from jobs.embedded import embedded
from jobs.intake import Intake, KeyInUseError, Use
from jobs.job import Job, Status, timestamp
from jobs.logs import SERVICE_API, Event, log_event
from jobs.metrics import Metric
from jobs.queue import JobMessage, JobQueue
from jobs.request import Generation, GenerationRequest
from jobs.store import JobStore
from lambda_api.caller import Caller
from lambda_api.forecast import Forecast
from lambda_api.problems import JOB_TOO_LARGE, KEY_IN_USE, KEY_REUSED, KEY_SPENT, ApiError
from lambda_api.settings import ApiSettings
from lambda_api.usage import Usage

JOB_LIFETIME_SECONDS: Final = 30 * 24 * 3600


class Orders:
    """Turns requests into jobs."""

    def __init__(
        self,
        *,
        store: JobStore,
        intake: Intake,
        queue: JobQueue,
        usage: Usage,
        forecast: Forecast,
        settings: ApiSettings,
        logger: Logger,
    ) -> None:
        self._store = store
        self._intake = intake
        self._queue = queue
        self._usage = usage
        self._forecast = forecast
        self._settings = settings
        self._logger = logger

    def accept(
        self, request: GenerationRequest, caller: Caller, correlation_id: str, idempotency_key: str | None = None
    ) -> Job:
        """Write a job and queue it. With an idempotency key that was used for the same request: that one's job.

        A job that is written is accepted: should SQS not take it now, the sweep queues it.
        Raises `ApiError` 409 or 422.
        """
        completed = request.complete(self._settings.default_size_px)
        self._check_cost(completed)
        job = Job(
            job_id=uuid4().hex,
            owner=caller.name,
            status=Status.QUEUED,
            correlation_id=correlation_id,
            request=completed,
            webhook_url=request.webhook_url,
            created_at=timestamp(),
            expires_at=int(time.time()) + JOB_LIFETIME_SECONDS,
        )
        if earlier := self._create(job, request, caller, idempotency_key):
            return earlier
        tells = self._settings.log_prompts
        log_event(
            self._logger,
            Event.JOB_ACCEPTED,
            f"Accepted {completed.num_images} x {completed.width}x{completed.height}",
            job_id=job.job_id,
            caller=caller.name,
            width=completed.width,
            height=completed.height,
            num_inference_steps=completed.num_inference_steps,
            num_images=completed.num_images,
            pixel_steps=completed.pixel_steps,
            prompt=completed.prompt if tells else None,
            negative_prompt=completed.negative_prompt if tells else None,
            metrics=embedded(SERVICE_API, self._settings.project, {Metric.JOBS_ACCEPTED: 1}),
        )
        self._enqueue(job)
        self._forecast.add(job)
        return job

    def _check_cost(self, request: Generation) -> None:
        limit = self._settings.pixel_steps_max
        if request.pixel_steps > limit:
            raise ApiError(
                JOB_TOO_LARGE,
                f"width x height x num_inference_steps x num_images is {request.pixel_steps:,}; "
                f"the limit is {limit:,}.",
                errors=[
                    {"field": field, "message": f"together at most {limit:,} pixel-steps"}
                    for field in ("width", "height", "num_inference_steps", "num_images")
                ],
            )

    def _create(self, job: Job, request: GenerationRequest, caller: Caller, key: str | None) -> Job | None:
        """Write the job, and count it against the key's limits. Returns the earlier job if the request is a repeat."""
        body_hash = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        # Before the limits are asked: a repeat is no further job.
        if key is not None and (use := self._intake.use(caller.name, key)):
            return self._repeated(use, body_hash, caller)
        self._usage.reserve(caller, job.job_id, job.request.pixel_steps)
        use = None
        try:
            if key is None:
                self._store.create(job)
            else:
                use = self._intake.create_once(job, key, body_hash)
        except (KeyInUseError, BotoCoreError, ClientError) as error:
            self._usage.release(caller, job.job_id, job.request.pixel_steps)
            if not isinstance(error, KeyInUseError):
                raise
            raise ApiError(
                KEY_IN_USE,
                "A request with this Idempotency-Key is being accepted; ask again in a second.",
                headers={"Retry-After": "1"},
            ) from None
        if use is None:
            return None
        self._usage.release(caller, job.job_id, job.request.pixel_steps)
        return self._repeated(use, body_hash, caller)

    def _repeated(self, use: Use, body_hash: str, caller: Caller) -> Job:
        if use.body_hash != body_hash:
            raise ApiError(
                KEY_REUSED, "This Idempotency-Key came with another request. Use a new key for a new request."
            )
        earlier = self._store.get(use.job_id)
        if earlier is None or earlier.owner != caller.name:
            raise ApiError(KEY_SPENT, "The job that this Idempotency-Key made has been deleted. Use a new key.")
        if earlier.status is Status.QUEUED and earlier.queued_at is None:
            self._enqueue(earlier)
        return earlier

    def _enqueue(self, job: Job) -> None:
        message = JobMessage(job_id=job.job_id, correlation_id=job.correlation_id)
        try:
            self._queue.send(message)
            self._intake.mark_queued(job.job_id)
        except (BotoCoreError, ClientError) as error:
            # The job stands in the table without a mark, which is what the sweep looks for.
            log_event(self._logger, Event.JOB_NOT_QUEUED, f"Not queued yet: {error}", warning=True, job_id=job.job_id)
