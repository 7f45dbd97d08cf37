"""What one healthy worker makes of jobs of all kinds."""

from collections.abc import Iterator

import pytest

from jobs.job import Status
from tests.worker.backend import LONG, Backend, WorkerProcess, wait_until


@pytest.fixture(scope="module")
def worker(emulated_aws: Backend) -> Iterator[WorkerProcess]:
    yield emulated_aws.start_worker(emulated_aws.url).wait_ready()
    emulated_aws.end_workers()


def test_a_job_that_fails_for_its_own_reasons_fails_at_once(emulated_aws: Backend, worker: WorkerProcess) -> None:
    # The small checkpoint has fewer layers.
    faulty, sound = emulated_aws.submit(clip_skip=9), emulated_aws.submit()
    job = emulated_aws.check_ended_without_pictures(faulty, Status.FAILED)
    assert job.error is not None
    assert (job.error.code, job.attempts) == ("generation_failed", 1)
    emulated_aws.check_succeeded(sound)
    emulated_aws.check_no_message_left()
    assert emulated_aws.dead_letters() == []
    assert worker.process.poll() is None


def test_progress_and_preview_reach_the_record_and_the_preview_goes_with_the_end(
    emulated_aws: Backend, worker: WorkerProcess
) -> None:
    job_id = emulated_aws.submit(**LONG, preview=True)
    wait_until(lambda: emulated_aws.job(job_id).preview is not None, 240, lambda: str(emulated_aws.job(job_id)))
    running = emulated_aws.job(job_id)
    assert running.total_steps == 150
    assert running.step is not None
    assert 0 < running.step < 150
    assert emulated_aws.check_succeeded(job_id).preview is None


def test_every_format_is_stored_as_what_it_is(emulated_aws: Backend, worker: WorkerProcess) -> None:
    for output_format, extension in (("webp", "webp"), ("jpeg", "jpg")):
        job = emulated_aws.check_succeeded(emulated_aws.submit(output_format=output_format))
        (image,) = job.images
        assert image.key == f"{job.job_id}/0.{extension}"
        head = emulated_aws.s3.head_object(Bucket=emulated_aws.bucket, Key=image.key)
        assert head["ContentType"] == f"image/{output_format}"


def test_a_message_that_is_no_job_goes_to_the_dead_letters(emulated_aws: Backend, worker: WorkerProcess) -> None:
    emulated_aws.queue.send_body("not a job")
    wait_until(lambda: emulated_aws.messages(emulated_aws.dead_letter_url) == 1, 240, lambda: "it is not there")
    emulated_aws.check_no_message_left()
