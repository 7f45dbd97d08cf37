"""The metric lines: CloudWatch's embedded format, with what happened since the last sample."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from gpu_service.metrics import MetricsSampler
from gpu_service.status import WorkerStatus
from jobs.logs import make_logger
from tests.gpu_service.test_health import FakeGpu


@dataclass
class FakeEngine:
    out_of_memory_count: int = 0


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]


def test_a_sample_holds_the_gpu_and_the_gains(capsys: pytest.CaptureFixture[str]) -> None:
    status, engine = WorkerStatus(), FakeEngine()
    sampler = MetricsSampler(status, engine, FakeGpu(), project="game", logger=make_logger("test"))
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
    MetricsSampler(WorkerStatus(), FakeEngine(), None, project="game", logger=make_logger("test")).sample()
    assert lines(capsys) == []


def test_what_happened_last_is_sent_as_the_sampler_closes(capsys: pytest.CaptureFixture[str]) -> None:
    status = WorkerStatus()
    sampler = MetricsSampler(status, FakeEngine(), None, project="game", logger=make_logger("test"))
    sampler.start()
    status.add(jobs_failed=1)
    sampler.close()
    assert [line["JobsFailed"] for line in lines(capsys)] == [[1]]
