"""The metric lines: CloudWatch's embedded format, with what happened since the last sample."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from gpu_service.gpu_reader import GpuReader
from gpu_service.host import Host
from gpu_service.meter import DeviceMeter
from gpu_service.metrics import MetricsSampler
from gpu_service.status import WorkerStatus
from gpu_service.worker_sample import WorkerSample
from jobs.logs import make_logger
from tests.gpu_service.test_health import FakeGpu
from tests.gpu_service.test_meter import MeteredJob


@dataclass
class FakeEngine:
    out_of_memory_count: int = 0
    device: str = "cuda"
    rung: str = "resident"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def worker_sample(
    status: WorkerStatus, *, meter: DeviceMeter | None = None, clock: Clock | None = None, dollars: float | None = 3.6
) -> WorkerSample:
    return WorkerSample(
        status=status,
        engine=FakeEngine(),
        meter=meter or DeviceMeter(),
        host=Host("g4dn.xlarge", dollars),
        project="game",
        age_seconds=5.0,
        # One that exists already writes to where standard output was then.
        logger=make_logger(uuid4().hex),
        clock=clock or Clock(),
    )


def sampler_of(status: WorkerStatus, engine: FakeEngine, gpu: GpuReader | None) -> MetricsSampler:
    worker = worker_sample(status)
    return MetricsSampler(status, engine, gpu, worker, project="game", logger=make_logger(uuid4().hex))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]


def test_a_sample_holds_the_gpu_and_the_gains(capsys: pytest.CaptureFixture[str]) -> None:
    status, engine = WorkerStatus(), FakeEngine()
    sampler = sampler_of(status, engine, FakeGpu())
    status.add(jobs_succeeded=2, images=5, generate_seconds=1.5)
    sampler.sample()
    status.add(jobs_succeeded=1)
    engine.out_of_memory_count = 1
    sampler.sample()

    first, second = lines(capsys)
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "GameForge"
    assert {frozenset(dimensions) for dimensions in directive["Dimensions"]} == {frozenset({"service", "project"})}
    assert (first["service"], first["project"]) == ("worker", "game")
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units["GpuUtilization"] == "Percent"
    assert units["GenerateSeconds"] == "Seconds"
    assert (first["GpuUtilization"], first["GpuTemperature"], first["GpuMemoryUtilization"]) == ([97], [71], [85.7])
    assert (first["JobsSucceeded"], first["Images"], first["GenerateSeconds"]) == ([2], [5], [1.5])
    assert (second["JobsSucceeded"], second["OutOfMemoryRungs"]) == ([1], [1])
    assert "Images" not in second


def test_a_cpu_that_does_nothing_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    sampler_of(WorkerStatus(), FakeEngine(), None).sample()
    assert lines(capsys) == []


def test_what_happened_last_is_sent_as_the_sampler_closes(capsys: pytest.CaptureFixture[str]) -> None:
    status = WorkerStatus()
    sampler = sampler_of(status, FakeEngine(), None)
    sampler.start()
    status.add(jobs_failed=1)
    sampler.close()
    failed, sample = lines(capsys)
    assert failed["JobsFailed"] == [1]
    assert sample["event"] == "worker_sample"


def test_every_job_gives_a_time_of_its_own_however_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    status = WorkerStatus()
    for number in range(150):
        status.answered(float(number))
    sampler_of(status, FakeEngine(), None).sample()
    sent = [line["TotalSeconds"] for line in lines(capsys)]
    assert [len(values) for values in sent] == [99, 51]
    assert sorted(value for values in sent for value in values) == [float(number) for number in range(150)]


def test_a_worker_tells_how_long_it_worked_and_what_both_parts_cost(capsys: pytest.CaptureFixture[str]) -> None:
    status, clock = WorkerStatus(), Clock()
    status.ready()
    meter = DeviceMeter(clock)
    sample = worker_sample(status, meter=meter, clock=clock)
    job = MeteredJob()
    clock.now += 35
    meter.begin([job])
    clock.now += 10
    assert not sample.is_due
    sample.send()
    clock.now += 20
    meter.end()
    sample.send()
    clock.now += 60
    assert sample.is_due

    first, second = lines(capsys)
    # Five seconds are from before: starting up.
    assert (first["alive_seconds"], first["busy_seconds"], first["idle_seconds"]) == (50, 10, 40)
    assert (first["alive_dollars"], first["idle_dollars"], first["dollars_per_hour"]) == (0.05, 0.04, 3.6)
    assert (first["state"], first["device"], first["rung"]) == ("idle", "cuda", "resident")
    assert first["instance_type"] == "g4dn.xlarge"
    assert (first["BusySeconds"], first["IdleSeconds"], first["AliveDollars"], first["IdleDollars"]) == (
        *([10], [40]),
        *([0.05], [0.04]),
    )
    assert (second["alive_seconds"], second["busy_seconds"], second["idle_dollars"]) == (20, 20, 0)
    assert job.device_seconds == first["busy_seconds"] + second["busy_seconds"]


def test_a_worker_without_a_price_tells_its_seconds_and_no_dollars(capsys: pytest.CaptureFixture[str]) -> None:
    worker_sample(WorkerStatus(), dollars=None).send()
    (line,) = lines(capsys)
    assert line["alive_seconds"] == 5
    assert not {"alive_dollars", "idle_dollars", "dollars_per_hour", "AliveDollars", "IdleDollars"} & set(line)
