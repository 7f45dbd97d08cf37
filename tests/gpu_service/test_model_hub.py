"""Models by hub id, from a small server that speaks as much of the hub's API as the hub's own library needs."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from gpu_service.model import fetch_model
from gpu_service.model_facts import ModelError, read_model_facts
from gpu_service.model_hub import HubSource
from jobs.logs import make_logger
from local_cloud.processes import free_port

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOGGER = make_logger("test")


class Hub:
    """The model `team/tiny` at one commit. `served` lists what was downloaded; `damage` spoils the next downloads.

    While it `is_ill`, every answer is an error.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.served: list[str] = []
        self.damage: dict[str, int] = {}
        self.is_ill = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tree(self) -> list[dict[str, Any]]:
        return [self._entry(path, body) for path, body in self.files.items()]

    def body(self, path: str) -> bytes:
        self.served.append(path)
        body = self.files[path]
        if self.damage.get(path, 0) > 0:
            self.damage[path] -= 1
            return bytes([body[0] ^ 1]) + body[1:]
        return body

    @staticmethod
    def _entry(path: str, body: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(body)}
        entry["oid"] = hashlib.sha1(f"blob {len(body)}\0".encode() + body).hexdigest()
        if path.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
        return entry

    def _handler(hub) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.answer(head=True)

            def do_GET(self) -> None:
                self.answer(head=False)

            def answer(self, *, head: bool) -> None:
                path = self.path.partition("?")[0]
                if hub.is_ill:
                    return self.send(b"{}", code=500)
                if path.startswith("/api/models/team/tiny/tree/"):
                    return self.send(json.dumps(hub.tree()).encode(), head=head)
                if path.startswith("/api/models/team/tiny"):
                    siblings = [{"rfilename": name} for name in hub.files]
                    return self.send(json.dumps({"id": "team/tiny", "sha": COMMIT, "siblings": siblings}).encode())
                name = path.removeprefix(f"/team/tiny/resolve/{COMMIT}/")
                if name in hub.files:
                    body = hub.files[name] if head else hub.body(name)
                    return self.send(body, head=head, etag=hashlib.sha256(hub.files[name]).hexdigest())
                return self.send(b"{}", code=404)

            def send(self, body: bytes, *, head: bool = False, code: int = 200, etag: str = "") -> None:
                first = int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
                self.send_response(206 if first else code)
                self.send_header("content-length", str(len(body) - first))
                if first:
                    self.send_header("content-range", f"bytes {first}-{len(body) - 1}/{len(body)}")
                self.send_header("x-repo-commit", COMMIT)
                if etag:
                    self.send_header("etag", f'"{etag}"')
                self.end_headers()
                if not head:
                    self.wfile.write(body[first:])

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def hub(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {file.relative_to(checkpoint).as_posix(): file.read_bytes() for file in checkpoint.rglob("*.*")}
    # What hubs keep beside a model, and nobody needs.
    files |= {"all_in_one.safetensors": b"x" * 100, "unet/diffusion_pytorch_model.bin": b"y" * 100}
    hub = Hub(files)
    monkeypatch.setattr("gpu_service.model_hub.HfApi", lambda endpoint: HfApi(endpoint=hub.url))
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


def test_a_model_from_the_hub_is_whole_and_without_what_nobody_needs(hub: Hub, tmp_path: Path) -> None:
    fetched = fetch_model("team/tiny", tmp_path, LOGGER)
    assert fetched.directory.name == f"team--tiny-{COMMIT[:12]}"
    assert read_model_facts(fetched.directory).size_px > 0
    assert not {"all_in_one.safetensors", "unet/diffusion_pytorch_model.bin"} & set(hub.served)
    for file in fetched.directory.glob("*/*.safetensors"):
        assert file.read_bytes() == hub.files[file.relative_to(fetched.directory).as_posix()]


def test_while_the_hub_is_ill_the_copy_that_was_used_last_is_good_enough(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = fetch_model("team/tiny", tmp_path, LOGGER)
    hub.is_ill = True
    assert fetch_model("team/tiny", tmp_path, LOGGER).directory == first.directory
    line = caplog.records[-1]
    assert line.levelname == "WARNING"
    assert f"Going on with team--tiny-{COMMIT[:12]}" in line.message
    # Of another version, nothing was used.
    with pytest.raises(ModelError, match="can't be had from the hub"):
        fetch_model("team/tiny@v2", tmp_path, LOGGER)


def test_a_pinned_commit_in_the_cache_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    first = fetch_model(f"team/tiny@{COMMIT}", tmp_path, LOGGER)
    served = len(hub.served)
    # It is taken as what it is, and not as what was used last.
    (last,) = (tmp_path / "models").glob("*.last")
    last.unlink()
    hub.is_ill = True
    second = fetch_model(f"team/tiny@{COMMIT}", tmp_path, LOGGER)
    assert (second.directory, second.downloaded_bytes, len(hub.served)) == (first.directory, 0, served)


def test_a_damaged_file_is_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    name = "unet/diffusion_pytorch_model.safetensors"
    hub.damage[name] = 1
    fetched = fetch_model("team/tiny", tmp_path, LOGGER)
    assert (fetched.directory / name).read_bytes() == hub.files[name]
    assert hub.served.count(name) == 2


def test_a_file_that_stays_damaged_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.damage["unet/config.json"] = 2
    with pytest.raises(ModelError, match=r"downloaded twice, and not what team/tiny says it is: unet/config\.json"):
        fetch_model("team/tiny", tmp_path, LOGGER)


def test_a_model_that_the_hub_does_not_have_is_named(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="team/other can't be had from the hub"):
        fetch_model("team/other", tmp_path, LOGGER)


def test_a_hub_that_does_not_answer_is_said(tmp_path: Path) -> None:
    source = HubSource("team/tiny", endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ModelError, match="team/tiny can't be had from the hub"):
        source.download(tmp_path, lambda arrived_bytes: None)
