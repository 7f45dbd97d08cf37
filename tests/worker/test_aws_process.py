"""The process that makes a worker's calls to AWS: its errors arrive, and neither outlives the other."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from gpu_service.worker import ExitCode
from jobs import names
from tests.worker.backend import LONG, Backend, WorkerProcess, wait_until

# Prints what a call raises in the worker's own process.
CALL = """
from gpu_service.aws_process import start_aws_process
from gpu_service.endings import AWS_ERRORS
from gpu_service.pictures import PictureExistsError
from gpu_service.settings import WorkerSettings
from jobs.store import Lease, LostLeaseError

aws = start_aws_process(WorkerSettings.from_environment())
try:
    {call}
except ({expected}) as error:
    print(type(error).__name__, error)
"""


def raised(backend: Backend, call: str, expected: str, environment: dict[str, str] | None = None) -> str:
    """What `call` raises, asked in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(call=call, expected=expected)],
        env={**os.environ, **backend.worker_environment(backend.url), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def aws_process(worker: WorkerProcess) -> psutil.Process:
    (child,) = psutil.Process(worker.process.pid).children()
    return child


def test_errors_arrive_as_what_they_are(backend: Backend) -> None:
    lost = raised(backend, 'aws.store.succeed(Lease("nobody", "none"), ())', "LostLeaseError")
    assert lost.startswith("LostLeaseError job nobody")
    twice = "[aws.pictures.put('twice', b'x', 'image/png') for _ in range(2)]"
    assert raised(backend, twice, "PictureExistsError").startswith("PictureExistsError twice")
    missing = raised(backend, "aws.store.get('x')", "AWS_ERRORS", {names.ENV_JOBS_TABLE: "no-such-table"})
    assert missing.startswith("ClientError")
    assert "ResourceNotFoundException" in missing
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    assert raised(backend, "aws.store.get('x')", "AWS_ERRORS", nowhere).startswith("AwsUnreachableError Endpoint")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_worker(backend: Backend, end: signal.Signals) -> None:
    worker = backend.start_worker(backend.url).wait_ready()
    child = aws_process(worker)
    worker.process.send_signal(end)
    worker.wait()
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running()


@pytest.mark.endurance
def test_a_worker_that_loses_it_ends_and_its_job_is_made_by_the_next(backend: Backend) -> None:
    worker = backend.start_worker(backend.url).wait_ready()
    job_id = backend.submit(**LONG)
    worker.log.wait_for(event="job_started", job_id=job_id)
    aws_process(worker).kill()
    assert worker.wait() == ExitCode.CRASHED
    backend.start_worker(backend.url)
    assert backend.check_succeeded(job_id).attempts == 2
    backend.check_no_message_left()


def test_signals_that_reach_it_too_leave_it_at_work(backend: Backend) -> None:
    worker = backend.start_worker(backend.url).wait_ready()
    child = aws_process(worker)
    job_id = backend.submit(**LONG)
    worker.log.wait_for(event="job_started", job_id=job_id)
    for number in (signal.SIGTERM, signal.SIGINT):
        child.send_signal(number)
    worker.terminate()
    assert worker.wait() == ExitCode.STOPPED
    wait_until(lambda: backend.job(job_id).status == "queued", 20, lambda: str(backend.job(job_id)))
