"""The OpenAPI document: what the code makes, what is served, and what the API then does."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from jobs.job import Status
from jobs.listing import Listing
from lambda_api import openapi
from local_cloud.cloud import LocalCloud
from tests.api.conftest import Hand


def test_the_committed_document_is_what_the_code_makes() -> None:
    assert openapi.DOCUMENT.read_text() == openapi.text()


def test_a_document_that_differs_is_told(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from lambda_api import openapi; "
        f"openapi.DOCUMENT = pathlib.Path({str(tmp_path)!r}) / 'openapi.json'; sys.exit(openapi.main())"
    )
    checked = subprocess.run([sys.executable, "-c", code, "--check"], capture_output=True, text=True)
    assert (checked.returncode, "make openapi" in checked.stdout) == (1, True)


def test_the_document_is_served_to_everyone(api_cloud: LocalCloud) -> None:
    served = httpx.get(f"{api_cloud.url}/openapi.json")
    assert served.headers["content-type"] == "application/json"
    assert served.text == openapi.text()


def test_the_page_needs_no_other_host(api_cloud: LocalCloud) -> None:
    page = httpx.get(f"{api_cloud.url}/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"https?:|//\w|src=|@import|<link|<img|<iframe", page.text)
    assert re.findall(r"fetch\(([^)]*)\)", page.text) == ['"openapi.json"']


@pytest.mark.endurance
def test_random_requests_find_no_answer_outside_the_document(api_cloud: LocalCloud, hand: Hand) -> None:
    hand.clear()
    finished = threading.Event()
    worker = threading.Thread(target=_make_jobs, args=(hand, finished))
    worker.start()
    try:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{api_cloud.url}/openapi.json"),
                *("--url", api_cloud.url, "--header", f"x-api-key: {api_cloud.key}"),
                *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "25", "--seed", "1"),
                # A cursor is opaque and a job's cost comes from four fields: no schema can say which are valid.
                *("--exclude-checks", "positive_data_acceptance"),
                *("--no-shrink", "--request-timeout", "40", "--generation-database", "none", "--warnings", "off"),
            ],
            capture_output=True,
            text=True,
        )
    finally:
        finished.set()
        worker.join()
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout


def _make_jobs(hand: Hand, finished: threading.Event) -> None:
    """Ends each job soon, so that all kinds of answers come up."""
    listing = Listing(hand.dynamodb, "gameforge-jobs")
    while not finished.wait(0.3):
        for job in listing.oldest(Status.QUEUED, limit=20):
            started = hand.store.start(job.job_id, lease_seconds=60, queued_at=job.created_at, device="cpu")
            if started is not None:
                hand.succeed(started[1])
                time.sleep(0.02)
