"""Jobs that can't succeed end as failed, with a cause, and trouble in AWS costs no job."""

import httpx

from jobs.queue import JobMessage, JobQueue
from local_cloud.cloud import LocalCloud
from tests.conftest import LogLines
from tests.polling import post, wait_until


def test_a_message_that_is_no_job_does_not_stop_the_worker(cloud: LocalCloud, api: httpx.Client, log: LogLines) -> None:
    sqs = cloud.deployment.client("sqs")
    url = sqs.get_queue_url(QueueName="gameforge-gpu-jobs")["QueueUrl"]
    sent = sqs.send_message(QueueUrl=url, MessageBody="not a job")
    assert sent["MessageId"]
    log.wait_for(event="message_refused")
    wait_until(api, post(api, prompt="a red gem", num_inference_steps=1)["id"], "succeeded")
    # It would come back for minutes on its way to the dead letters; other tests count what is on the queue.
    sqs.purge_queue(QueueUrl=url)


def test_a_message_delivered_twice_makes_one_run(cloud: LocalCloud, api: httpx.Client, log: LogLines) -> None:
    sqs = cloud.deployment.client("sqs")
    queue = JobQueue(sqs, sqs.get_queue_url(QueueName="gameforge-gpu-jobs")["QueueUrl"])
    job = post(api, prompt="a red gem", num_inference_steps=2)
    queue.send(JobMessage(job_id=job["id"], correlation_id=job["correlation_id"]))

    assert wait_until(api, job["id"], "succeeded")["attempts"] == 1
    log.wait_for(event="job_skipped", job_id=job["id"], job_status="succeeded")


def test_a_message_of_a_job_that_is_gone_is_dropped(cloud: LocalCloud, log: LogLines) -> None:
    sqs = cloud.deployment.client("sqs")
    queue = JobQueue(sqs, sqs.get_queue_url(QueueName="gameforge-gpu-jobs")["QueueUrl"])
    queue.send(JobMessage(job_id="gone", correlation_id="c"))
    assert log.wait_for(event="job_skipped", job_id="gone")["job_status"] == "gone"
