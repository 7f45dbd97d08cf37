"""The device's time is shared out to the jobs that it works for, and nothing of it is lost or counted twice."""

import time
from dataclasses import dataclass, field

import pytest

from gpu_service.meter import DeviceMeter
from jobs.job import Job, Status, timestamp
from jobs.request import GenerationRequest


def a_job(num_images: int) -> Job:
    return Job(
        job_id="j",
        owner="tests",
        status=Status.RUNNING,
        correlation_id="c",
        request=GenerationRequest(prompt="a gem", num_images=num_images).complete(64),
        created_at=timestamp(),
        expires_at=int(time.time()) + 60,
    )


@dataclass(eq=False)
class MeteredJob:
    num_images: int = 1
    generate_seconds: float = 0.0
    device_seconds: float = 0.0
    job: Job = field(init=False)

    def __post_init__(self) -> None:
        self.job = a_job(self.num_images)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_share_is_a_jobs_pictures_of_all_that_are_made_together(clock: Clock) -> None:
    meter, one, three = DeviceMeter(clock), MeteredJob(1), MeteredJob(3)
    meter.begin([one, three])
    clock.now = 8
    meter.end()
    assert (one.device_seconds, three.device_seconds) == (2, 6)
    assert one.generate_seconds == three.generate_seconds == meter.busy_seconds == 8


def test_who_leaves_early_pays_until_then_and_the_others_for_the_rest(clock: Clock) -> None:
    meter, stays, leaves = DeviceMeter(clock), MeteredJob(), MeteredJob()
    meter.begin([stays, leaves])
    clock.now = 4
    meter.leave(leaves)
    clock.now = 10
    meter.end()
    assert (stays.device_seconds, leaves.device_seconds) == (8, 2)
    assert meter.busy_seconds == 10


def test_what_nobody_wants_any_more_is_idle_time(clock: Clock) -> None:
    meter, job = DeviceMeter(clock), MeteredJob()
    meter.begin([job])
    clock.now = 3
    meter.leave(job)
    clock.now = 4
    meter.end()
    assert job.device_seconds == meter.busy_seconds == 3


def test_each_run_of_a_job_counts_and_the_time_between_does_not(clock: Clock) -> None:
    meter, job, other = DeviceMeter(clock), MeteredJob(), MeteredJob()
    meter.begin([job, other])
    clock.now = 2
    meter.end()
    clock.now = 5
    meter.begin([job])
    clock.now = 6
    meter.leave(other)
    meter.end()
    assert (job.device_seconds, job.generate_seconds, other.device_seconds) == (2, 3, 1)
    assert meter.busy_seconds == 3


def test_busy_time_grows_while_the_device_works(clock: Clock) -> None:
    meter = DeviceMeter(clock)
    assert meter.busy_seconds == 0
    meter.begin([MeteredJob()])
    clock.now = 1.5
    assert meter.busy_seconds == 1.5
