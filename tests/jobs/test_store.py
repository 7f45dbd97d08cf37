"""The job table: every change is conditional, so duplicates and lost races change nothing."""

import time
from uuid import uuid4

import pytest

from jobs.job import Job, JobError, Status, StoredImage, timestamp
from jobs.request import GenerationRequest
from jobs.store import JobStore, Lease, LostLeaseError
from local_cloud.cloud import LocalCloud

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


def test_an_id_is_taken_once(store: JobStore) -> None:
    job = new_job(store)
    with pytest.raises(ValueError, match="exists already"):
        store.create(job)


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
    for late in (
        lambda: store.succeed(silent, (IMAGE,)),
        lambda: store.fail(silent, JobError(code="c", message="m")),
        lambda: store.hand_back(silent),
        lambda: store.renew(silent, lease_seconds=60, step=1, total_steps=2),
    ):
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


def test_a_job_that_could_not_be_queued_is_withdrawn(store: JobStore) -> None:
    job = new_job(store)
    store.withdraw(job.job_id)
    assert store.get(job.job_id) is None
