"""kill -9 at every phase of a job: the next worker ends it, once, with its picture."""

from collections.abc import Callable

import pytest

from tests.worker.backend import LONG, Backend, WorkerProcess
from tests.worker.proxy import Call, Proxy

TIMES = 5


def is_claim(call: Call) -> bool:
    return call.operation == "DynamoDB.UpdateItem" and b"lease_expires_at < :clock" in call.body


def is_upload(call: Call) -> bool:
    return call.operation == "S3.PUT"


def is_success(call: Call) -> bool:
    return call.operation == "DynamoDB.UpdateItem" and b'"succeeded"' in call.body


def is_delete(call: Call) -> bool:
    return call.operation == "SQS.DeleteMessageBatch"


Catch = Callable[[Proxy, Backend, WorkerProcess], str]


def in_call(rule: Callable[[Call], bool]) -> Catch:
    """Gives a job whose worker waits for the answer to such a call."""

    def catch(proxy: Proxy, backend: Backend, worker: WorkerProcess) -> str:
        proxy.hold(rule)
        job_id = backend.submit()
        assert proxy.holding.wait(240)
        return job_id

    return catch


def caught_running(proxy: Proxy, backend: Backend, worker: WorkerProcess) -> str:
    job_id = backend.submit(**LONG)
    worker.log.wait_for(event="job_started", job_id=job_id)
    return job_id


PHASES: dict[str, tuple[Catch, int]] = {
    # What catches the job in the phase, and how many attempts it takes then.
    "received": (in_call(is_claim), 1),
    "running": (caught_running, 2),
    "uploading": (in_call(is_upload), 2),
    "recording": (in_call(is_success), 2),
    "deleting the message": (in_call(is_delete), 1),
}


def check_kill(backend: Backend, proxy: Proxy, worker: WorkerProcess, phase: str) -> WorkerProcess:
    """Kill the worker in the phase. Returns the next one, which has ended the job."""
    catch, attempts = PHASES[phase]
    job_id = catch(proxy, backend, worker)
    worker.kill()
    proxy.release()
    following = backend.start_worker(proxy.url)
    job = backend.check_succeeded(job_id)
    assert job.attempts == attempts
    backend.check_no_message_left()
    return following


def test_a_worker_killed_while_recording_loses_no_job(backend: Backend, proxy: Proxy) -> None:
    check_kill(backend, proxy, backend.start_worker(proxy.url).wait_ready(), "recording")


@pytest.mark.endurance
@pytest.mark.parametrize("phase", PHASES)
def test_a_worker_killed_again_and_again_loses_no_job(backend: Backend, proxy: Proxy, phase: str) -> None:
    worker = backend.start_worker(proxy.url).wait_ready()
    for _ in range(TIMES):
        worker = check_kill(backend, proxy, worker, phase).wait_ready()


@pytest.mark.endurance
def test_a_batch_whose_worker_is_killed_is_finished_one_by_one(backend: Backend, proxy: Proxy) -> None:
    jobs = [backend.submit(**LONG, seed=seed) for seed in range(3)]
    worker = backend.start_worker(proxy.url)
    worker.log.wait_for(event="job_started", job_id=jobs[0], timeout_seconds=240)
    worker.kill()
    backend.start_worker(proxy.url)
    for job_id in jobs:
        assert backend.check_succeeded(job_id).attempts == 2
    backend.check_no_message_left()
