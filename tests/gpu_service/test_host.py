"""Where a worker finds out what it runs on: the operator's word, the host's file, ECS, and what each of them costs."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gpu_service.host import ENV_TASK_METADATA, Host, read_host
from gpu_service.settings import WorkerSettings
from jobs import names

NEEDED = {
    names.ENV_JOBS_TABLE: "jobs",
    names.ENV_QUEUE_URL: "http://127.0.0.1:9/queue",
    names.ENV_IMAGES_BUCKET: "images",
    names.ENV_MODEL: "model",
}
SPOT_HOST = {"instance_type": "g4dn.xlarge", "region": "eu-west-1", "purchase": "spot"}


def host(cache: Path, **environment: str) -> Host:
    variables = {**NEEDED, names.ENV_CACHE_DIRECTORY: str(cache), "AWS_REGION": "us-east-1", **environment}
    return read_host(WorkerSettings.from_environment(variables), variables)


def leave(cache: Path, **facts: str) -> None:
    (cache / names.HOST_FILE).write_text(json.dumps(facts))


@contextmanager
def ecs(answer: dict[str, Any]) -> Iterator[str]:
    """ECS's task metadata, as a container sees it."""

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer if self.path == "/v4/id/task" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v4/id"
        server.shutdown()


def test_a_laptop_costs_what_the_cpu_service_does(tmp_path: Path) -> None:
    found = host(tmp_path)
    assert found.instance_type == "local"
    assert found.dollars_per_hour == pytest.approx(143.784 / 720, abs=1e-6)


def test_the_host_says_what_it_is_and_where(tmp_path: Path) -> None:
    leave(tmp_path, instance_type="g4dn.xlarge", region="eu-west-1", purchase="on-demand")
    assert host(tmp_path) == Host("g4dn.xlarge", 0.587)


def test_a_worker_pays_for_its_share_of_an_instance_with_several_gpus(tmp_path: Path) -> None:
    leave(tmp_path, instance_type="g5.12xlarge", region="us-east-1", purchase="on-demand")
    assert host(tmp_path).dollars_per_hour == pytest.approx(5.672 / 4)


def test_spot_costs_the_list_price_unless_somebody_knows_better(tmp_path: Path) -> None:
    leave(tmp_path, **SPOT_HOST)
    assert host(tmp_path).dollars_per_hour == 0.587
    assert host(tmp_path, **{names.ENV_SPOT_PRICE_FACTOR: "0.4"}).dollars_per_hour == pytest.approx(0.587 * 0.4)
    leave(tmp_path, **{**SPOT_HOST, "purchase": "on-demand"})
    assert host(tmp_path, **{names.ENV_SPOT_PRICE_FACTOR: "0.4"}).dollars_per_hour == 0.587


def test_what_the_operator_says_wins(tmp_path: Path) -> None:
    leave(tmp_path, **SPOT_HOST)
    assert host(tmp_path, **{names.ENV_DOLLARS_PER_HOUR: "0.2"}) == Host("g4dn.xlarge", 0.2)
    assert host(tmp_path, **{names.ENV_DOLLARS_PER_HOUR: ""}) == Host("g4dn.xlarge", 0.587)
    assert host(tmp_path, **{names.ENV_INSTANCE_TYPE: "g5.xlarge"}) == Host("g5.xlarge", 1.123)


def test_a_pair_that_is_not_in_the_table_has_no_price(tmp_path: Path) -> None:
    leave(tmp_path, instance_type="g4dn.xlarge", region="mars-north-1", purchase="on-demand")
    assert host(tmp_path) == Host("g4dn.xlarge", None)


def test_fargate_is_priced_by_its_parts(tmp_path: Path) -> None:
    task = {
        "LaunchType": "FARGATE",
        "Limits": {"CPU": 4, "Memory": 8192},
        "EphemeralStorageMetrics": {"Reserved": 40976},
    }
    with ecs(task) as uri:
        found = host(tmp_path, **{ENV_TASK_METADATA: uri})
    assert found.instance_type == "fargate"
    assert found.dollars_per_hour == pytest.approx(143.784 / 720, abs=1e-6)
    with ecs({**task, "Limits": {"CPU": 1, "Memory": 2048}, "EphemeralStorageMetrics": {}}) as uri:
        assert host(tmp_path, **{ENV_TASK_METADATA: uri}).dollars_per_hour == pytest.approx(0.04048 + 2 * 0.004445)


def test_a_host_on_ec2_that_did_not_say_what_it_is_has_no_price(tmp_path: Path) -> None:
    with ecs({"LaunchType": "EC2", "Limits": {"CPU": 2, "Memory": 14336}}) as uri:
        assert host(tmp_path, **{ENV_TASK_METADATA: uri}) == Host("unknown", None)
    # Nobody listens there.
    assert host(tmp_path, **{ENV_TASK_METADATA: "http://127.0.0.1:9/v4/id"}) == Host("unknown", None)


@pytest.mark.parametrize("text", ["", '{"instance_type": "g4d', "[]"])
def test_a_file_that_was_cut_off_keeps_no_worker_from_starting(tmp_path: Path, text: str) -> None:
    (tmp_path / names.HOST_FILE).write_text(text)
    assert host(tmp_path).instance_type == "local"
