"""A client of the REST API: submit a job, wait for its end, fetch its pictures."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

POLL_SECONDS_MIN: Final = 0.2
POLL_SECONDS_MAX: Final = 2.0
FINAL_STATUSES: Final = ("succeeded", "failed", "canceled")
# A job outlives a lost connection, so a poll that fails is tried again for this long.
UNREACHABLE_SECONDS_MAX: Final = 30.0

Job = dict[str, Any]


class ClientError(Exception):
    """The API refused, failed or could not be reached; the text is for the person who asked."""


class Client:
    """A connection to one API."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self._url, headers={"x-api-key": key}, timeout=httpx.Timeout(30, connect=5), follow_redirects=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def submit(self, **request: object) -> Job:
        """POST a job; fields that are None are left to the API's defaults. Raises `ClientError`."""
        body = {name: value for name, value in request.items() if value is not None}
        try:
            return _checked(self._http.post("/v1/generations", json=body))
        except httpx.HTTPError as error:
            raise ClientError(f"the API at {self._url} can't be reached: {error}") from error

    def job(self, job_id: str) -> Job:
        """The job as it stands. Raises `ClientError`, or `httpx.TransportError` if the connection failed."""
        return _checked(self._http.get(f"/v1/generations/{job_id}"))

    def wait(self, job: Job, on_change: Callable[[Job], None] = lambda job: None) -> Job:
        """Poll until the job has ended, calling `on_change` with each answer. Raises `ClientError`."""
        pause = POLL_SECONDS_MIN
        unreachable_since: float | None = None
        while job["status"] not in FINAL_STATUSES:
            time.sleep(pause)
            pause = min(pause * 1.2, POLL_SECONDS_MAX)
            try:
                job = self.job(job["id"])
                unreachable_since = None
            except httpx.TransportError as error:
                unreachable_since = unreachable_since or time.monotonic()
                if time.monotonic() - unreachable_since > UNREACHABLE_SECONDS_MAX:
                    raise ClientError(f"lost the API at {self._url}; the job is {job['id']}: {error}") from error
            on_change(job)
        return job

    def download(self, job: Job, directory: Path, name: str) -> list[Path]:
        """Write the job's pictures as `name`-0.png and so on, with the ending of their format. Raises `ClientError`."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for index, image in enumerate(job["images"]):
            try:
                # Not our own connection: a presigned URL must not carry the API key.
                response = httpx.get(image["url"], timeout=30)
                response.raise_for_status()
            except httpx.HTTPError as error:
                raise ClientError(f"picture {index} of job {job['id']} could not be fetched: {error}") from error
            path = directory / f"{name}-{index}{Path(urlsplit(image['url']).path).suffix}"
            path.write_bytes(response.content)
            paths.append(path)
        return paths


def _checked(response: httpx.Response) -> Job:
    if response.is_success:
        job: Job = response.json()
        return job
    try:
        problem = response.json()
        text = problem.get("detail") or problem.get("message") or response.text
        fields = "".join(f"\n  {error['field']}: {error['message']}" for error in problem.get("errors", []))
    except ValueError:
        text, fields = response.text[:500], ""
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        text += ". Is the API key right? Give it with --key or GAMEFORGE_API_KEY."
    raise ClientError(f"the API answered {response.status_code}: {text}{fields}")
