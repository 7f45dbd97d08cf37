"""Duplicates, lost answers, and services that are ill for a while: every job still ends once."""

import itertools
import time

import pytest

from tests.worker.backend import LONG, LONG_LEASE, Backend, WorkerProcess
from tests.worker.proxy import Call, Fault, Proxy

# Longer than the SDK's own retries.
OUTAGE_SECONDS = 12.0


def ended(worker: WorkerProcess) -> list[str]:
    return [line["job_id"] for line in worker.log.lines if line.get("event") == "job_succeeded"]


@pytest.mark.endurance
def test_two_workers_and_every_message_twice_make_every_job_once(backend: Backend, proxy: Proxy) -> None:
    workers = [backend.start_worker(proxy.url, environment=LONG_LEASE) for _ in range(2)]
    for worker in workers:
        worker.wait_ready()
    jobs = [backend.submit(copies=2, num_inference_steps=10, seed=seed) for seed in range(24)]
    for job_id in jobs:
        assert backend.check_succeeded(job_id).attempts == 1
    backend.check_no_message_left()
    first, second = map(ended, workers)
    assert sorted(first + second) == sorted(jobs)
    assert first
    assert second


@pytest.mark.endurance
@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.THROTTLED])
@pytest.mark.parametrize("service", ["S3", "SQS", "DynamoDB"])
def test_an_outage_costs_no_job(backend: Backend, proxy: Proxy, service: str, fault: Fault) -> None:
    worker = backend.start_worker(proxy.url).wait_ready()
    before = backend.submit(**LONG)
    worker.log.wait_for(event="job_started", job_id=before)
    proxy.rule = lambda call: fault if call.operation.startswith(service) else None
    during = [backend.submit(seed=seed) for seed in range(6)]
    time.sleep(OUTAGE_SECONDS)
    proxy.rule = lambda call: None
    assert proxy.faults > 0
    for job_id in (before, *during):
        # One whose lease ran out in the outage may be taken up again; that is what an attempt is.
        assert backend.check_succeeded(job_id).attempts <= 2
    backend.check_no_message_left()
    assert backend.dead_letters() == []


@pytest.mark.endurance
def test_answers_that_get_lost_change_nothing(backend: Backend, proxy: Proxy) -> None:
    """Each call is done, and every third one's answer is lost: the SDK then does it again."""
    numbers = itertools.count()

    def lose(call: Call) -> Fault | None:
        return Fault.ANSWER_LOST if next(numbers) % 3 == 0 else None

    proxy.rule = lose
    worker = backend.start_worker(proxy.url, environment=LONG_LEASE)
    jobs = [backend.submit(seed=seed) for seed in range(8)]
    for job_id in jobs:
        assert backend.check_succeeded(job_id).attempts == 1
    proxy.rule = lambda call: None
    backend.check_no_message_left()
    assert sorted(ended(worker)) == sorted(jobs)
    assert proxy.faults > len(jobs)
