"""How fast the API starts and answers: `python -m bench.api`. Prints the figures and writes build/bench/api.json."""

import json
import py_compile
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import httpx

import build_lambda
from bench.cold_start import fake_aws, first_request_cpu_seconds
from jobs import names
from local_cloud.cloud import LocalCloud
from local_cloud.processes import free_port

OUTPUT: Final = Path("build/bench/api.json")
WARM_REQUESTS: Final = 200
WARM_UP_REQUESTS: Final = 20
COLD_RATIO_MAX: Final = 1.1
ZIP_BYTES_MAX: Final = 6_000_000
_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    names.ENV_PROJECT: "gameforge",
    names.ENV_JOBS_TABLE: "jobs",
    names.ENV_USAGE_TABLE: "usage",
    names.ENV_IMAGES_BUCKET: "images",
    names.ENV_GPU_QUEUE_URL: "https://sqs.us-east-1.amazonaws.com/1/jobs",
    names.ENV_CPU_QUEUE_URL: "https://sqs.us-east-1.amazonaws.com/1/jobs",
    names.ENV_MODEL_NAME: "model",
    names.ENV_DEFAULT_SIZE_PX: "1024",
    names.ENV_PIXEL_STEPS_MAX: "1000000000",
    names.ENV_LOG_PROMPTS: "false",
}


@dataclass(frozen=True)
class Figures:
    """What build/bench/api.json holds."""

    cold_cpu_ratio: float
    cold_cpu_ms: float
    minimal_cold_cpu_ms: float
    warm_post_p50_ms: float
    warm_post_p95_ms: float
    warm_get_p50_ms: float
    warm_get_p95_ms: float
    zip_bytes: int


def cold_milliseconds(package: Path) -> tuple[float, float]:
    """CPU from import to first answer, in milliseconds: ours, and that of the minimal handler."""
    with tempfile.TemporaryDirectory() as scratch, fake_aws() as endpoint:
        ours, minimal = Path(scratch) / "ours", Path(scratch) / "minimal"
        for folder in (ours, minimal):
            with zipfile.ZipFile(package) as archive:
                archive.extractall(folder)
        # The same dependencies, compiled in the same way, but all of Powertools' validation, which ours leaves out.
        for room in build_lambda.ROOMS:
            shutil.rmtree(minimal / room)
        build_lambda.copy_dependencies(minimal)
        shutil.copy(Path(__file__).with_name("minimal_handler.py"), minimal)
        for source in minimal.rglob("*.py"):
            py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        used = first_request_cpu_seconds(
            {"ours": (ours, "lambda_api.handler"), "minimal": (minimal, "minimal_handler")},
            {**_ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint},
        )
    return used["ours"] * 1000, used["minimal"] * 1000


def warm_milliseconds() -> tuple[list[float], list[float]]:
    """Milliseconds of each POST and each GET through the emulated gateway, sorted."""
    with (
        tempfile.TemporaryDirectory() as state,
        LocalCloud(
            api_port=free_port(), aws_port=free_port(), state=Path(state), with_worker=False, say=lambda text: None
        ) as cloud,
        httpx.Client(base_url=cloud.url, headers={"x-api-key": cloud.key}, timeout=30) as api,
    ):
        posts = _time(lambda: api.post("/v1/generations", json={"prompt": "a red gem"}))
        job_id = api.get("/v1/generations", params={"limit": 1}).json()["items"][0]["id"]
        gets = _time(lambda: api.get(f"/v1/generations/{job_id}"))
    return posts, gets


def _time(request: Callable[[], httpx.Response]) -> list[float]:
    taken = []
    for number in range(WARM_UP_REQUESTS + WARM_REQUESTS):
        # The key's own limit is 50 requests a second.
        time.sleep(0.02)
        started = time.perf_counter()
        request().raise_for_status()
        if number >= WARM_UP_REQUESTS:
            taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)


def _p95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]


def main() -> int:
    """Measure, print, write. Returns the exit code."""
    with tempfile.TemporaryDirectory() as output:
        package = build_lambda.build(Path(output))
        zip_bytes = package.stat().st_size
        ours, minimal = cold_milliseconds(package)
    posts, gets = warm_milliseconds()
    figures = Figures(
        cold_cpu_ratio=round(ours / minimal, 3),
        cold_cpu_ms=round(ours, 1),
        minimal_cold_cpu_ms=round(minimal, 1),
        warm_post_p50_ms=round(statistics.median(posts), 1),
        warm_post_p95_ms=round(_p95(posts), 1),
        warm_get_p50_ms=round(statistics.median(gets), 1),
        warm_get_p95_ms=round(_p95(gets), 1),
        zip_bytes=zip_bytes,
    )
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(asdict(figures), indent=1) + "\n")
    print(
        f"start    import and first request take {figures.cold_cpu_ms:.0f} ms of CPU, a minimal Powertools handler "
        f"{figures.minimal_cold_cpu_ms:.0f} ms: {figures.cold_cpu_ratio:.2f} times (at most {COLD_RATIO_MAX})\n"
        f"POST     p50 {figures.warm_post_p50_ms:.1f} ms, p95 {figures.warm_post_p95_ms:.1f} ms, warm, through the "
        "emulated gateway\n"
        f"GET      p50 {figures.warm_get_p50_ms:.1f} ms, p95 {figures.warm_get_p95_ms:.1f} ms\n"
        f"package  {figures.zip_bytes / 1e6:.2f} MB (at most {ZIP_BYTES_MAX / 1e6:.0f})\n"
        f"written to {OUTPUT}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
