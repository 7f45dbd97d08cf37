"""The state of the system: the queue, the workers that are alive, and the models they make pictures with."""

from typing import TYPE_CHECKING

from jobs.job import Status, seconds_between, timestamp
from jobs.listing import Listing
from jobs.queue import depth
from jobs.workers import Workers
from lambda_api.settings import ApiSettings
from lambda_api.views import HealthView, ModelListView, ModelView, WorkerView

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Health:
    """Asks the table and the queue; remembers nothing."""

    def __init__(self, *, listing: Listing, workers: Workers, sqs: "SQSClient", settings: ApiSettings) -> None:
        self._listing = listing
        self._workers = workers
        self._sqs = sqs
        self._settings = settings

    def now(self) -> HealthView:
        """How things stand."""
        queue = depth(self._sqs, self._settings.gpu_queue_url)
        waiting = self._listing.oldest(Status.QUEUED, limit=1)
        workers = self._workers.live()
        return HealthView(
            status="degraded" if waiting and not workers else "ok",
            queue_depth=queue.total,
            oldest_job_seconds=seconds_between(waiting[0].created_at, timestamp()) if waiting else None,
            live_workers=len(workers),
            workers=[WorkerView(id=worker.worker_id, **worker.model_dump(exclude={"worker_id"})) for worker in workers],
        )

    def models(self) -> ModelListView:
        """The model that jobs are made with. It is there to be asked for, also while no worker is."""
        size_px = self._settings.default_size_px
        model = ModelView(
            id=self._settings.model_name,
            default_width=size_px,
            default_height=size_px,
            live_workers=len(self._workers.live()),
        )
        return ModelListView(items=[model])
