"""The Lambda package: the same bytes from the same sources, small, compiled, and with nothing that is not needed."""

import zipfile
from pathlib import Path

import pytest

import build_lambda


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_lambda.build(tmp_path_factory.mktemp("package"))


def test_the_same_sources_give_the_same_bytes(package: Path, tmp_path: Path) -> None:
    assert build_lambda.build(tmp_path).read_bytes() == package.read_bytes()


def test_it_is_small(package: Path) -> None:
    assert package.stat().st_size < 6_000_000


def test_every_source_comes_with_its_bytecode(package: Path) -> None:
    files = set(zipfile.ZipFile(package).namelist())
    sources = {Path(file) for file in files if file.endswith(".py")}
    compiled = {source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc" for source in sources}
    assert {str(file) for file in compiled} <= files
    assert "lambda_api/openapi.json" in files
    assert "lambda_api/docs.html" in files


def test_it_holds_nothing_that_the_api_does_not_import(package: Path) -> None:
    rooms = {file.split("/")[0] for file in zipfile.ZipFile(package).namelist()}
    assert rooms.isdisjoint({"torch", "boto3", "botocore", "gpu_service", "stacks", "local_cloud", "tests"})
    assert not [file for file in zipfile.ZipFile(package).namelist() if "swagger_ui/" in file or "/parser/" in file]
