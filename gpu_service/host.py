"""What this worker runs on, and what an hour of its share of it costs."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gpu_service.settings import WorkerSettings
from jobs import names, prices

# ECS sets this in every container. Fargate answers with the task's size.
ENV_TASK_METADATA: Final = "ECS_CONTAINER_METADATA_URI_V4"
TIMEOUT_SECONDS: Final = 5.0
# On EC2, by a host that did not say what it is.
UNKNOWN: Final = "unknown"
SPOT: Final = "spot"
_MIB_PER_GIB: Final = 1024


@dataclass(frozen=True)
class Host:
    """Where the worker is: an EC2 instance type, "fargate", "local" or "unknown". Without a price, nothing costs."""

    instance_type: str
    dollars_per_hour: float | None


def read_host(settings: WorkerSettings, environment: Mapping[str, str]) -> Host:
    """Ask whoever knows: the operator's variables, the file that the host left in the cache, then ECS.

    A container on EC2 can't ask the instance metadata by itself: that would give it the host's credentials too.
    """
    region = environment.get("AWS_REGION") or prices.REGION_DEFAULT
    left: dict[str, Any] = {}
    file = settings.cache_directory.expanduser() / names.HOST_FILE
    if file.is_file():
        left = _left_by_host(file)
        region = left.get("region") or region
    task = {} if left or settings.instance_type else _task(environment)
    instance_type = settings.instance_type or left.get("instance_type") or _kind(task)
    price = settings.dollars_per_hour
    if price is None:
        price = _list_price(instance_type, region, task)
        if price is not None and left.get("purchase") == SPOT:
            price *= settings.spot_price_factor
    return Host(instance_type, None if price is None else round(price / prices.gpus(instance_type), 6))


def _left_by_host(file: Path) -> dict[str, Any]:
    try:
        facts = json.loads(file.read_text())
    except ValueError:
        # Cut off as it was written: a price is not worth a worker.
        return {}
    return facts if isinstance(facts, dict) else {}


def _task(environment: Mapping[str, str]) -> dict[str, Any]:
    """What ECS says of the task; nothing outside of ECS, or where it does not answer."""
    uri = environment.get(ENV_TASK_METADATA)
    if not uri:
        return {}
    try:
        with urllib.request.urlopen(f"{uri}/task", timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - ECS's address
            answer: dict[str, Any] = json.load(response)
    except (OSError, ValueError):
        return {"LaunchType": UNKNOWN}
    return answer


def _kind(task: dict[str, Any]) -> str:
    if not task:
        return prices.LOCAL
    return prices.FARGATE if task.get("LaunchType") == "FARGATE" else UNKNOWN


def _list_price(instance_type: str, region: str, task: dict[str, Any]) -> float | None:
    if instance_type == prices.LOCAL:
        # As the service that a laptop stands in for.
        return prices.fargate_dollars_per_hour(prices.CPU_TASK, prices.REGION_DEFAULT)
    if instance_type == prices.FARGATE:
        return prices.fargate_dollars_per_hour(_size(task), region)
    return prices.instance_dollars_per_hour(instance_type, region)


def _size(task: dict[str, Any]) -> prices.FargateTask:
    limits, disk = task.get("Limits", {}), task.get("EphemeralStorageMetrics", {})
    if not limits:
        return prices.CPU_TASK
    return prices.FargateTask(
        vcpus=limits["CPU"],
        memory_gib=limits["Memory"] / _MIB_PER_GIB,
        disk_gib=disk.get("Reserved", 0) // _MIB_PER_GIB,
    )
