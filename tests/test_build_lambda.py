"""The Lambda package: the same bytes from the same sources, and for AWS the builds that Lambda can load."""

import platform
import sys
import zipfile
from pathlib import Path

import pytest

import build_lambda


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build_lambda.build(tmp_path / name) for name in ("one", "two"))
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_for_aws_it_holds_builds_for_linux_and_the_versions_of_the_lock(tmp_path: Path) -> None:
    package = build_lambda.build(tmp_path / "aws", "aws")
    names = zipfile.ZipFile(package).namelist()
    (native,) = [name for name in names if name.endswith(".so")]
    assert native == "pydantic_core/_pydantic_core.cpython-311-x86_64-linux-gnu.so"
    assert {"lambda_api/handler.py", "lambda_api/__pycache__/handler.cpython-311.pyc", "pydantic/main.py"} <= set(names)
    assert not [name for name in names if name.startswith("boto") or ".dist-info" in name]
    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        # This machine is like Lambda's, so what is installed here from the lock is the same.
        assert package.read_bytes() == build_lambda.build(tmp_path / "local").read_bytes()


def test_what_pip_can_not_get_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("".join(f"{name}==0.0.0.0.1\n" for name in build_lambda.DISTRIBUTIONS))
    monkeypatch.setattr(build_lambda, "LOCK", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(build_lambda.BuildError, match="pip could not fetch"):
        build_lambda.build(tmp_path / "aws", "aws")
