"""Canceled, faulty, poisonous and hanging jobs, beside others that are none of it."""

import json

import pytest

from gpu_service.worker import ExitCode
from jobs import names
from jobs.job import Status
from tests.worker.backend import LONG, Backend
from tests.worker.proxy import Proxy

FAULTY_WORKER = "tests.worker.faulty_worker"


def test_a_canceled_job_ends_without_pictures_and_its_neighbour_with_them(backend: Backend, proxy: Proxy) -> None:
    queued, running, neighbour = (backend.submit(**LONG, seed=seed) for seed in range(3))
    assert backend.store.cancel(queued).job.status is Status.CANCELED  # type: ignore[union-attr]
    worker = backend.start_worker(proxy.url)
    line = worker.log.wait_for(event="job_started", job_id=running, timeout_seconds=240)
    assert line["batch_jobs"] == 2
    canceled = backend.store.cancel(running)
    assert canceled is not None
    assert (canceled.job.status, canceled.job.cancel_requested) == (Status.RUNNING, True)

    backend.check_ended_without_pictures(running, Status.CANCELED)
    assert backend.job(neighbour).status is Status.RUNNING
    backend.check_succeeded(neighbour)
    backend.check_ended_without_pictures(queued, Status.CANCELED)
    backend.check_no_message_left()


def test_one_bad_job_in_a_batch_does_not_fail_its_neighbours(backend: Backend, proxy: Proxy) -> None:
    neighbours = [backend.submit(seed=1), backend.submit(seed=2)]
    faulty = backend.submit(prompt="a faulty heart")
    neighbours.append(backend.submit(seed=3))
    worker = backend.start_worker(proxy.url, module=FAULTY_WORKER)
    assert worker.log.wait_for(event="job_started", job_id=faulty, timeout_seconds=240)["batch_jobs"] == 4
    job = backend.check_ended_without_pictures(faulty, Status.FAILED)
    assert job.error is not None
    assert "this prompt is faulty" in job.error.message
    for job_id in neighbours:
        assert backend.check_succeeded(job_id).attempts == 1
    backend.check_no_message_left()


def test_jobs_that_run_out_of_memory_together_are_made_one_by_one(backend: Backend, proxy: Proxy) -> None:
    hungry = [backend.submit(prompt="a hungry heart", seed=seed) for seed in range(2)]
    insatiable = backend.submit(prompt="an insatiable heart")
    worker = backend.start_worker(proxy.url, module=FAULTY_WORKER)
    assert worker.log.wait_for(event="job_started", job_id=insatiable, timeout_seconds=240)["batch_jobs"] == 3
    job = backend.check_ended_without_pictures(insatiable, Status.FAILED)
    assert job.error is not None
    assert job.error.code == "out_of_memory"
    for job_id in hungry:
        assert backend.check_succeeded(job_id).attempts == 1
    backend.check_no_message_left()


@pytest.mark.endurance
def test_a_worker_that_loses_its_device_hands_its_job_back_and_exits(backend: Backend, proxy: Proxy) -> None:
    worker = backend.start_worker(proxy.url, module=FAULTY_WORKER).wait_ready()
    job_id = backend.submit(prompt="a lost heart")
    assert worker.wait() == ExitCode.DEVICE_LOST
    job = backend.job(job_id)
    assert (job.status, job.attempts) == (Status.QUEUED, 1)

    backend.start_worker(proxy.url)
    assert backend.check_succeeded(job_id).attempts == 2
    backend.check_no_message_left()


def test_a_job_that_this_version_cannot_read_fails_and_harms_no_other(backend: Backend, proxy: Proxy) -> None:
    newer, neighbour = backend.submit(seed=1), backend.submit(seed=2)
    backend.change_item(newer, "request", '{"prompt": "a heart", "scheduler": "of tomorrow"}')
    worker = backend.start_worker(proxy.url)
    backend.check_succeeded(neighbour)
    worker.log.wait_for(event="message_refused", job_id=newer)
    item = backend.item(newer)
    assert (item["status"]["S"], json.loads(item["error"]["S"])["code"]) == ("failed", "unreadable")
    assert "scheduler" in item["error"]["S"]
    assert backend.dead_letters() == [newer]
    backend.check_no_message_left()


@pytest.mark.endurance
def test_a_job_that_kills_workers_fails_after_three_and_takes_no_other_with_it(backend: Backend, proxy: Proxy) -> None:
    neighbours = [backend.submit(seed=seed) for seed in range(2)]
    poison = backend.submit(prompt="a poison heart")
    neighbours += [backend.submit(seed=seed) for seed in range(2, 6)]
    for _ in range(3):
        assert backend.start_worker(proxy.url, module=FAULTY_WORKER).wait() < 0
    backend.start_worker(proxy.url, module=FAULTY_WORKER)
    job = backend.check_ended_without_pictures(poison, Status.FAILED)
    assert job.error is not None
    assert job.error.code == "worker_lost"
    assert backend.dead_letters() == [poison]
    for job_id in neighbours:
        assert backend.check_succeeded(job_id).attempts <= 2
    backend.check_no_message_left()


@pytest.mark.endurance
def test_a_device_that_hangs_is_left_and_its_job_handed_back(backend: Backend, proxy: Proxy) -> None:
    environment = {names.ENV_STEP_BUDGET_SECONDS: "1"}
    worker = backend.start_worker(proxy.url, module=FAULTY_WORKER, environment=environment).wait_ready()
    job_id = backend.submit(prompt="a hang heart")
    assert worker.wait() == ExitCode.DEVICE_HUNG
    job = backend.job(job_id)
    # It counts: that the device hung may be the job's doing.
    assert (job.status, job.attempts) == (Status.QUEUED, 1)

    # A worker whose device does not hang on it.
    backend.start_worker(proxy.url)
    assert backend.check_succeeded(job_id).attempts == 2
    backend.check_no_message_left()
