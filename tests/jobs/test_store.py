"""The job table: every change is conditional, so duplicates and lost races change nothing."""

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from jobs.job import Job, JobError, Status, StoredImage, timestamp
from jobs.measured import Measured
from jobs.request import GenerationRequest
from jobs.store import JobStore, Lease, LostLeaseError
from local_cloud.cloud import LocalCloud

MEASURED = Measured(
    instance_type="g4dn.xlarge", generate_seconds=4.0, device_seconds=1.25, store_seconds=0.5, cost_dollars=0.00018264
)
IMAGE = StoredImage(key="k", width=64, height=64, seed=1, sha256="0" * 64, bytes=10)


@pytest.fixture(scope="module")
def store(cloud: LocalCloud) -> JobStore:
    return JobStore(cloud.deployment.client("dynamodb"), "gameforge-jobs")


def new_job(store: JobStore) -> Job:
    job = Job(
        job_id=uuid4().hex,
        owner="someone",
        status=Status.QUEUED,
        correlation_id="c",
        request=GenerationRequest(prompt="a “gem” ✨").complete(64),
        created_at=timestamp(),
        expires_at=int(time.time()) + 60,
    )
    store.create(job)
    return job


def start(store: JobStore, job: Job, lease_seconds: float = 60) -> tuple[Job, Lease]:
    started = store.start(job.job_id, lease_seconds=lease_seconds, queued_at=timestamp(), device="cpu")
    assert started is not None
    return started


def test_a_job_comes_back_as_it_was_written(store: JobStore) -> None:
    job = new_job(store)
    assert store.get(job.job_id) == job
    assert store.get("nothing") is None


def test_a_write_that_is_sent_twice_changes_nothing(store: JobStore) -> None:
    job = new_job(store)
    started, _ = start(store, job)
    store.create(job)
    assert store.get(job.job_id) == started


def test_only_one_worker_gets_a_job(store: JobStore) -> None:
    job = new_job(store)
    started, _ = start(store, job)
    assert (started.status, started.attempts) == (Status.RUNNING, 1)
    assert store.start(job.job_id, lease_seconds=60, queued_at=timestamp(), device="cpu") is None


def test_a_silent_workers_job_goes_to_the_next_and_the_first_can_no_longer_end_it(store: JobStore) -> None:
    job = new_job(store)
    _, silent = start(store, job, lease_seconds=-1)
    taken, lease = start(store, job)
    assert taken.attempts == 2
    too_late: tuple[Callable[[], Job], ...] = (
        lambda: store.succeed(silent, (IMAGE,)),
        lambda: store.fail(silent, JobError(code="c", message="m")),
        lambda: store.hand_back(silent),
        lambda: store.renew(silent, lease_seconds=60, step=1, total_steps=2),
    )
    for late in too_late:
        with pytest.raises(LostLeaseError):
            late()
    assert store.succeed(lease, (IMAGE,)).images == (IMAGE,)


def test_a_renewed_lease_holds_and_tells_progress(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job, lease_seconds=-1)
    store.renew(lease, lease_seconds=60, step=3, total_steps=25)
    assert store.start(job.job_id, lease_seconds=60, queued_at=timestamp(), device="cpu") is None
    running = store.get(job.job_id)
    assert running is not None
    assert (running.step, running.total_steps) == (3, 25)


def test_a_job_handed_back_costs_no_attempt(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job)
    handed_back = store.hand_back(lease)
    assert (handed_back.status, handed_back.attempts, handed_back.started_at) == (Status.QUEUED, 0, None)
    assert start(store, job)[0].attempts == 1


def test_an_ended_job_never_changes_again(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job)
    error = JobError(code="generation_failed", message="it could not be made")
    assert store.fail(lease, error).error == error
    with pytest.raises(LostLeaseError):
        store.succeed(lease, (IMAGE,))
    assert store.start(job.job_id, lease_seconds=60, queued_at=timestamp(), device="cpu") is None
    ended = store.get(job.job_id)
    assert ended is not None
    assert (ended.status, ended.images) == (Status.FAILED, ())


def test_a_queued_job_is_canceled_at_once_and_never_started(store: JobStore) -> None:
    job = new_job(store)
    canceled = store.cancel(job.job_id)
    assert canceled is not None
    assert canceled.is_end
    assert canceled.job.status is Status.CANCELED
    assert canceled.job.finished_at is not None
    assert store.start(job.job_id, lease_seconds=60, queued_at=timestamp(), device="cpu") is None
    again = store.cancel(job.job_id)
    assert again is not None
    assert (again.job, again.is_end) == (canceled.job, False)
    assert store.cancel("nothing") is None


def test_a_running_job_is_canceled_by_its_worker_which_learns_of_it_when_it_renews(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job)
    assert not store.renew(lease, lease_seconds=60, step=1, total_steps=2).cancel_requested
    asked = store.cancel(job.job_id)
    assert asked is not None
    assert (asked.job.status, asked.job.cancel_requested, asked.is_end) == (Status.RUNNING, True, False)
    assert store.renew(lease, lease_seconds=60, step=2, total_steps=2).cancel_requested
    assert store.end_canceled(lease).status is Status.CANCELED


def test_an_ended_job_can_no_longer_be_canceled(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job)
    store.succeed(lease, (IMAGE,))
    unchanged = store.cancel(job.job_id)
    assert unchanged is not None
    assert (unchanged.job.status, unchanged.job.cancel_requested, unchanged.is_end) == (Status.SUCCEEDED, False, False)


def test_a_canceled_job_that_was_handed_back_still_knows_it(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job)
    store.cancel(job.job_id)
    store.hand_back(lease)
    assert start(store, job)[0].cancel_requested


def test_what_attempts_took_adds_up(store: JobStore) -> None:
    job = new_job(store)
    started, lease = start(store, job)
    assert (started.device_seconds, started.cost_dollars, started.instance_type) == (None, None, None)
    handed_back = store.hand_back(lease, MEASURED)
    assert (handed_back.device_seconds, handed_back.cost_dollars) == (1.25, 0.00018264)
    _, lease = start(store, job)
    # One that nobody measured, because its worker died, adds nothing.
    store.hand_back(lease)
    _, lease = start(store, job)
    ended = store.succeed(lease, (IMAGE,), MEASURED)
    assert (ended.generate_seconds, ended.device_seconds, ended.store_seconds) == (8, 2.5, 1)
    assert (ended.cost_dollars, ended.instance_type, ended.attempts) == (0.00036528, "g4dn.xlarge", 1)
    assert store.get(job.job_id) == ended


def test_without_a_price_there_are_seconds_and_no_cost(store: JobStore) -> None:
    _, lease = start(store, new_job(store))
    ended = store.end_canceled(lease, replace(MEASURED, cost_dollars=None))
    assert (ended.device_seconds, ended.cost_dollars) == (1.25, None)


def test_a_preview_shows_while_the_job_runs_and_goes_with_its_end(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job)
    assert store.renew(lease, lease_seconds=60, step=1, total_steps=3, preview="AAAA").preview == "AAAA"
    assert store.renew(lease, lease_seconds=60, step=2, total_steps=3).preview == "AAAA"
    assert store.succeed(lease, (IMAGE,)).preview is None


def test_a_write_that_is_repeated_because_its_answer_got_lost_is_no_lost_lease(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job)
    assert store.hand_back(lease).attempts == store.hand_back(lease).attempts == 0
    _, lease = start(store, job)
    assert store.succeed(lease, (IMAGE,)) == store.succeed(lease, (IMAGE,))


def test_an_attempt_that_counts_is_not_given_back(store: JobStore) -> None:
    job = new_job(store)
    _, lease = start(store, job)
    assert store.hand_back(lease, counts_as_attempt=True).attempts == 1
