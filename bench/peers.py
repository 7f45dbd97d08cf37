"""Model servers that people use for this: LitServe and Ray Serve, in an environment of their own."""

import http.client
import json
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import Final

from bench.processes import end, start
from local_cloud import BUILD, ROOT
from tiny_sdxl import CHECKPOINT_DIR

REQUIREMENTS: Final = ROOT / "bench" / "requirements-peers.txt"
ENVIRONMENT: Final = BUILD / "peers"
START_SECONDS: Final = 180.0
REQUEST_SECONDS: Final = 600.0


class PeerError(Exception):
    """A peer can't be installed or does not start here."""


def install() -> Path:
    """The interpreter of the peers' environment. PyTorch and diffusers come from ours. Raises `PeerError`."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        commands: tuple[list[str | Path], ...] = (
            [sys.executable, "-m", "venv", ENVIRONMENT],
            [python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS],
        )
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
            if done.returncode != 0:
                raise PeerError(done.stderr.strip()[-500:])
        stamp.write_text(REQUIREMENTS.read_text())
    site = ENVIRONMENT / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


class Peer:
    """A server process, and clients that ask it for pictures."""

    def __init__(self, python: Path, app: str, port: int, batch: int) -> None:
        """Start it and wait for its first picture. Raises `PeerError`."""
        self._port = port
        path = ROOT / "bench" / "contenders" / f"{app}_app.py"
        self.process = start([str(python), str(path), str(CHECKPOINT_DIR), str(port), str(batch)])
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._ask(0)
                return
            except (OSError, http.client.HTTPException, PeerError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.close()
                    raise PeerError(f"{app} did not start: {error}") from error
                time.sleep(0.5)

    def run(self, jobs: int) -> None:
        """Get `jobs` pictures, all asked for at once. Raises `PeerError` if one does not come."""
        failures: list[Exception] = []

        def ask(seed: int) -> None:
            try:
                self._ask(seed)
            except (OSError, http.client.HTTPException, PeerError) as error:
                failures.append(error)

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise PeerError(f"{len(failures)} of {jobs} requests failed: {failures[0]}")

    def close(self) -> None:
        """End it."""
        end(self.process)

    def _ask(self, seed: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=REQUEST_SECONDS)
        body = json.dumps({"prompt": f"a red heart number {seed}", "seed": seed})
        try:
            connection.request("POST", "/predict", body, {"content-type": "application/json"})
            response = connection.getresponse()
            picture = response.read()
            if response.status != 200 or not picture.startswith(b"\x89PNG"):
                raise PeerError(f"status {response.status}: {picture[:100]!r}")
        finally:
            connection.close()
