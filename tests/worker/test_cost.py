"""What jobs cost: every second that the device works is some job's, also of jobs that are canceled or handed back."""

import pytest

from gpu_service.worker import ExitCode
from jobs import names, prices
from jobs.job import Status
from tests.worker.backend import LONG, LONG_LEASE, Backend, WorkerProcess
from tests.worker.proxy import Proxy

# A hundred times the real price, so that what a small picture costs is more than a rounding error.
DOLLARS_PER_HOUR = 20.0
PRICED = {**LONG_LEASE, names.ENV_DOLLARS_PER_HOUR: str(DOLLARS_PER_HOUR), names.ENV_INSTANCE_TYPE: "g4dn.xlarge"}
ENDS = ("job_succeeded", "job_failed", "job_canceled", "job_handed_back")


def busy_seconds(worker: WorkerProcess) -> float:
    return sum(float(line["busy_seconds"]) for line in worker.log.lines if line.get("event") == "worker_sample")


def device_seconds(worker: WorkerProcess) -> float:
    return sum(float(line["device_seconds"]) for line in worker.log.lines if line.get("event") in ENDS)


def metrics(worker: WorkerProcess) -> dict[str, list[float]]:
    """The values that CloudWatch would have, by metric."""
    found: dict[str, list[float]] = {}
    for line in worker.log.lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert (line["project"], line["service"]) == ("gameforge", "worker")
            for metric in directive["Metrics"]:
                found.setdefault(metric["Name"], []).extend(line[metric["Name"]])
    return found


def stop(worker: WorkerProcess) -> None:
    worker.terminate()
    assert worker.wait() == ExitCode.STOPPED


def test_what_jobs_used_adds_up_to_what_the_device_worked(backend: Backend, proxy: Proxy) -> None:
    single, several = backend.submit(seed=1), backend.submit(seed=2, num_images=3)
    other = backend.submit(seed=3, num_inference_steps=6)
    worker = backend.start_worker(proxy.url, environment=PRICED)
    one, three, alone = (backend.check_succeeded(job_id) for job_id in (single, several, other))
    stop(worker)

    assert device_seconds(worker) == pytest.approx(busy_seconds(worker), abs=1e-4)
    for job in (one, three, alone):
        line = worker.log.wait_for(event="job_succeeded", job_id=job.job_id)
        assert (line["instance_type"], line["device"], line["caller"]) == ("g4dn.xlarge", "cpu", "tests")
        assert line["cost_dollars"] == pytest.approx(prices.dollars(DOLLARS_PER_HOUR, line["device_seconds"]), abs=1e-7)
        assert (job.device_seconds, job.cost_dollars) == (line["device_seconds"], line["cost_dollars"])
        assert (job.instance_type, line["pixel_steps"]) == ("g4dn.xlarge", job.request.pixel_steps)
        assert line["images"] == job.request.num_images
        parts = line["queue_wait_seconds"] + line["run_seconds"]
        assert line["total_seconds"] == pytest.approx(parts, abs=0.002)
        assert line["run_seconds"] >= line["generate_seconds"] + line["store_seconds"] - 0.002
        assert line["store_seconds"] > 0
    sent = metrics(worker)
    lines = [line for line in worker.log.lines if line.get("event") == "job_succeeded"]
    assert sorted(sent["TotalSeconds"]) == sorted(line["total_seconds"] for line in lines)
    assert sum(sent["JobDollars"]) == pytest.approx(sum(line["cost_dollars"] for line in lines), abs=1e-7)
    assert (sum(sent["JobsSucceeded"]), sum(sent["Images"]), sum(sent["Batches"])) == (3, 5, 2)
    assert sum(sent["BusySeconds"]) == pytest.approx(device_seconds(worker), abs=1e-4)
    assert {"IdleSeconds", "AliveDollars", "IdleDollars", "GenerateSeconds", "StoreSeconds", "QueueWaitSeconds"} <= set(
        sent
    )
    # They were made together, and one of them is three of the four pictures.
    assert alone.device_seconds
    assert one.device_seconds
    assert one.generate_seconds == three.generate_seconds
    assert three.device_seconds == pytest.approx(3 * one.device_seconds, rel=1e-4)


def test_alive_time_is_busy_and_idle_time_and_has_its_price(backend: Backend, proxy: Proxy) -> None:
    worker = backend.start_worker(proxy.url, environment=PRICED).wait_ready()
    backend.check_succeeded(backend.submit())
    stop(worker)
    (line,) = (line for line in worker.log.lines if line.get("event") == "worker_sample")
    assert line["alive_seconds"] == pytest.approx(line["busy_seconds"] + line["idle_seconds"], abs=0.002)
    assert line["idle_seconds"] > line["busy_seconds"] > 0
    assert line["alive_dollars"] == pytest.approx(line["alive_seconds"] * DOLLARS_PER_HOUR / 3600, abs=1e-4)
    (end,) = (line for line in worker.log.lines if line.get("event") == "job_succeeded")
    assert line["alive_dollars"] - line["idle_dollars"] == pytest.approx(end["cost_dollars"], abs=1e-6)
    assert (line["dollars_per_hour"], line["state"], line["rung"]) == (DOLLARS_PER_HOUR, "stopping", "cpu")
    ids = {line["worker_id"] for line in worker.log.lines if line.get("event") in ("worker_started", "worker_sample")}
    assert len(ids) == 1


@pytest.mark.endurance
def test_a_canceled_job_pays_for_what_it_used_and_its_neighbour_for_the_rest(backend: Backend, proxy: Proxy) -> None:
    canceled, neighbour = (backend.submit(**LONG, seed=seed) for seed in range(2))
    worker = backend.start_worker(proxy.url, environment=PRICED)
    line = worker.log.wait_for(event="job_started", job_id=canceled, timeout_seconds=240)
    assert line["batch_jobs"] == 2
    backend.store.cancel(canceled)
    ended = backend.check_ended_without_pictures(canceled, Status.CANCELED)
    rest = backend.check_succeeded(neighbour)
    stop(worker)
    end = worker.log.wait_for(event="job_canceled", job_id=canceled)
    assert (end["images"], end["batch_jobs"], end["attempts"]) == (0, 2, 1)
    assert ended.device_seconds
    assert ended.device_seconds == end["device_seconds"]
    assert ended.cost_dollars == pytest.approx(prices.dollars(DOLLARS_PER_HOUR, end["device_seconds"]), abs=1e-7)
    assert rest.device_seconds is not None
    assert rest.device_seconds > ended.device_seconds
    assert device_seconds(worker) == pytest.approx(busy_seconds(worker), abs=1e-4)


@pytest.mark.endurance
def test_a_job_that_is_handed_back_keeps_what_it_used_and_adds_to_it(backend: Backend, proxy: Proxy) -> None:
    job_id = backend.submit(**LONG)
    first = backend.start_worker(proxy.url, environment=PRICED).wait_ready()
    first.log.wait_for(event="job_started", job_id=job_id, timeout_seconds=240)
    first.log.wait_for(event="cold_start")
    stop(first)
    back = first.log.wait_for(event="job_handed_back", job_id=job_id)
    assert (back["reason"], back["images"]) == ("told to stop", 0)
    between = backend.job(job_id)
    assert (between.status, between.attempts) == (Status.QUEUED, 0)
    assert between.device_seconds
    assert between.device_seconds == back["device_seconds"]

    second = backend.start_worker(proxy.url, environment=PRICED)
    done = backend.check_succeeded(job_id)
    stop(second)
    end = second.log.wait_for(event="job_succeeded", job_id=job_id)
    # The record has both attempts, each line its own.
    assert done.device_seconds == pytest.approx(back["device_seconds"] + end["device_seconds"], abs=1e-6)
    assert done.cost_dollars == pytest.approx(back["cost_dollars"] + end["cost_dollars"], abs=1e-8)


def test_a_job_that_fails_has_cost_what_it_has_cost(backend: Backend, proxy: Proxy) -> None:
    job_id = backend.submit(prompt="a faulty heart")
    worker = backend.start_worker(proxy.url, module="tests.worker.faulty_worker", environment=PRICED)
    failed = backend.check_ended_without_pictures(job_id, Status.FAILED)
    line = worker.log.wait_for(event="job_failed", job_id=job_id)
    assert line["error_code"] == "generation_failed"
    assert failed.device_seconds
    assert failed.device_seconds == line["device_seconds"]
