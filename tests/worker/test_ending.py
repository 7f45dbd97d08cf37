"""A worker that has to stop: it hands its jobs back at once, costs them no attempt, and exits in time."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gpu_service.worker import ExitCode
from jobs import names
from jobs.job import Status
from tests.worker.backend import LONG, Backend
from tests.worker.proxy import Fault, Proxy


def check_handed_back(backend: Backend, *jobs: str) -> None:
    for job_id in jobs:
        job = backend.job(job_id)
        assert (job.status, job.attempts, job.step, job.started_at) == (Status.QUEUED, 0, None, None)
    # Visible: another worker could have them now.
    deliveries = backend.queue.receive(messages_max=10, wait_seconds=0, visibility_seconds=0)
    assert {d.message.job_id for d in deliveries if d.message} == set(jobs)


def test_a_worker_told_to_stop_hands_back_what_runs_and_what_waits(backend: Backend, proxy: Proxy) -> None:
    worker = backend.start_worker(proxy.url).wait_ready()
    running = backend.submit(**LONG)
    worker.log.wait_for(event="job_started", job_id=running)
    worker.terminate()
    assert worker.wait() == ExitCode.STOPPED
    check_handed_back(backend, running)


def test_what_is_made_already_is_still_stored(backend: Backend, proxy: Proxy) -> None:
    worker = backend.start_worker(proxy.url).wait_ready()
    proxy.hold(lambda call: call.operation == "S3.PUT")
    job_id = backend.submit()
    assert proxy.holding.wait(240)
    worker.terminate()
    worker.log.wait_for(event="stop_requested")
    proxy.release()
    assert worker.wait() == ExitCode.STOPPED
    assert backend.check_succeeded(job_id).attempts == 1
    backend.check_no_message_left()


def test_a_spot_notice_is_a_reason_to_stop(backend: Backend, proxy: Proxy) -> None:
    noticed = threading.Event()

    class Metadata(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.path == "/latest/api/token"
            assert self.headers["x-aws-ec2-metadata-token-ttl-seconds"]
            self.answer(200, b"a token")

        def do_GET(self) -> None:
            assert self.path == "/latest/meta-data/spot/instance-action"
            assert self.headers["x-aws-ec2-metadata-token"] == "a token"
            self.answer(200, b'{"action": "terminate"}') if noticed.is_set() else self.answer(404, b"")

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as metadata:
        threading.Thread(target=metadata.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{metadata.server_address[1]}"
        environment = {names.ENV_WATCH_SPOT_NOTICES: "true", "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint}
        worker = backend.start_worker(proxy.url, environment=environment).wait_ready()
        job_id = backend.submit(**{**LONG, "num_images": 8})
        worker.log.wait_for(event="job_started", job_id=job_id)
        noticed.set()
        assert worker.wait() == ExitCode.STOPPED
        metadata.shutdown()
    assert worker.log.wait_for(event="stop_requested")["message"] == "Stopping: spot notice"
    check_handed_back(backend, job_id)


@pytest.mark.endurance
def test_a_worker_exits_in_time_even_if_aws_has_gone_silent(backend: Backend, proxy: Proxy) -> None:
    worker = backend.start_worker(proxy.url).wait_ready()
    job_id = backend.submit(**LONG)
    worker.log.wait_for(event="job_started", job_id=job_id)
    proxy.rule = lambda call: Fault.HELD
    worker.terminate()
    assert worker.wait(names.STOP_TIMEOUT_SECONDS) == ExitCode.STOPPED
    proxy.release()
    backend.start_worker(proxy.url)
    backend.check_succeeded(job_id)
    backend.check_no_message_left()


@pytest.mark.endurance
def test_a_backlog_survives_workers_that_come_and_go(backend: Backend, proxy: Proxy) -> None:
    jobs = [backend.submit(num_inference_steps=25, seed=seed, copies=2) for seed in range(24)]
    for _ in range(4):
        worker = backend.start_worker(proxy.url).wait_ready()
        time.sleep(0.7)
        worker.terminate()
        assert worker.wait() == ExitCode.STOPPED
    backend.start_worker(proxy.url)
    for job_id in jobs:
        assert backend.check_succeeded(job_id).attempts == 1
    backend.check_no_message_left()
