"""Setting up: a machine that lacks something is told what, in a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap


def test_another_python_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 4))
    with pytest.raises(bootstrap.SetupError, match=r"Python 3\.11 is needed and this is 3\.12\.4; say: make PYTHON="):
        bootstrap.check_machine()


def test_a_full_disk_is_noticed_before_the_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "none")
    monkeypatch.setattr(bootstrap, "FREE_BYTES_MIN", 10**18)
    with pytest.raises(bootstrap.SetupError, match="GB of free disk are needed"):
        bootstrap.check_machine()


def test_a_changed_lock_is_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    bootstrap.STAMP.write_text(json.dumps({"fingerprint": bootstrap.fingerprint(), "extras": ["api", "cli"]}))
    assert bootstrap.installed_extras() == {"api", "cli"}
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "lock")
    bootstrap.LOCK.write_text("torch==0\n")
    assert bootstrap.installed_extras() == set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux wheels come with CUDA")
@pytest.mark.parametrize(("requirement", "refused"), [("nvidia-cublas==13.1.1.3", True), ("numpy>=2", False)])
def test_cuda_is_not_downloaded_unasked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, requirement: str, refused: bool
) -> None:
    report = json.dumps({"install": [{"metadata": {"requires_dist": [requirement]}}]})

    def pip(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(["echo", report], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "pip", pip)
    if refused:
        with pytest.raises(bootstrap.SetupError, match=r"3 GB of CUDA .*\n?.*TORCH_INDEX"):
            bootstrap.check_torch("")
        bootstrap.check_torch("default")
    else:
        bootstrap.check_torch("")


def test_every_dependency_is_pinned_in_the_lock() -> None:
    lines = bootstrap.LOCK.read_text().splitlines()
    assert len(lines) == len({line.split("==")[0] for line in lines})
    assert all("==" in line and " " not in line for line in lines)
