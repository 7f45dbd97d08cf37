"""Builds the API's Lambda package, byte for byte the same from the same sources: `python build_lambda.py`."""

import argparse
import hashlib
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath
from typing import Final, Literal, get_args

ROOT: Final = Path(__file__).resolve().parent
ROOMS: Final = ("jobs", "lambda_api")
# What the rooms import, and what that imports. boto3 comes with the Lambda runtime.
DISTRIBUTIONS: Final = (
    "aws-lambda-powertools",
    "jmespath",
    "pydantic",
    "pydantic-core",
    "standardwebhooks",
    "annotated-types",
    "typing-extensions",
    "typing-inspection",
)
# The largest of what those have and the API does not import. tests/api runs on what is left.
LEFT_OUT: Final = (
    *(f"aws_lambda_powertools/utilities/{part}" for part in ("auth_alpha", "batch", "circuit_breaker")),
    *(f"aws_lambda_powertools/utilities/{part}" for part in ("data_masking", "feature_flags", "idempotency")),
    *(f"aws_lambda_powertools/utilities/{part}" for part in ("kafka", "metadata", "parameters", "parser")),
    *(f"aws_lambda_powertools/utilities/{part}" for part in ("streaming", "validation")),
    "aws_lambda_powertools/event_handler/openapi/swagger_ui",
    "aws_lambda_powertools/metrics/provider/datadog",
    "pydantic/v1",
    "pydantic/mypy.py",
)
LOCK: Final = ROOT / "requirements.lock"
# What Lambda's python3.11 on x86-64 can load.
AWS_WHEELS: Final = ("--platform", "manylinux2014_x86_64", "--python-version", "3.11", "--implementation", "cp")
Platform = Literal["local", "aws"]
ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class BuildError(Exception):
    """The package can't be built; the text says why."""


def build(output: Path, platform: Platform = "local") -> Path:
    """Write `api-<hash of the content>.zip` into the folder `output` and return its path. Raises `BuildError`.

    `local` copies the dependencies of the running environment, for the laptop cloud; `aws` takes the same versions, as
    the lock pins them, in their builds for Lambda, whatever this machine is.
    """
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        for room in ROOMS:
            shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("__pycache__", "openapi.py"))
        shutil.copy(ROOT / "docs" / "openapi.json", tree / "lambda_api")
        if platform == "aws":
            _install_wheels(tree)
        else:
            copy_dependencies(tree)
        for path in LEFT_OUT:
            part = tree / path
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        for source in sorted(tree.rglob("*.py")):
            # Without its bytecode the function starts 3.7 times as slowly. Unchecked: a zip's file dates mean nothing.
            py_compile.compile(
                str(source),
                dfile=source.relative_to(tree).as_posix(),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        archive = tree / "package.zip"
        _write_zip(tree, archive)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
        output.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(archive, output / f"api-{digest}.zip"))


def copy_dependencies(tree: Path) -> None:
    """Copy the sources of what the rooms import, as this environment has them, into the folder `tree`."""
    for name in DISTRIBUTIONS:
        installed = distribution(name)
        for file in installed.files or ():
            path = PurePosixPath(file)
            if path.parts[0].endswith(".dist-info") or path.parts[0] == ".." or path.suffix in (".pyc", ".pyi"):
                continue
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(installed.locate_file(file)), target)


def _install_wheels(tree: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch)
        done = subprocess.run(  # noqa: S603 - our own arguments
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"),
                *("--target", str(target), "--no-deps", "--no-compile", "--only-binary=:all:", *AWS_WHEELS),
                *(_pin(name) for name in DISTRIBUTIONS),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"pip could not fetch the Lambda package's dependencies:\n{done.stderr.strip()[-800:]}")
        for path in target.iterdir():
            if path.suffix != ".dist-info" and path.name != "bin":
                shutil.move(path, tree / path.name)
    for stub in tree.rglob("*.pyi"):
        stub.unlink()


def _pin(name: str) -> str:
    pattern = re.compile(re.sub("[-_]", "[-_]", name) + "==.+", re.IGNORECASE)
    return next(line for line in LOCK.read_text().splitlines() if pattern.fullmatch(line))


def _write_zip(tree: Path, archive: Path) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # Lambda needs files that everyone may read.
            entry.external_attr = 0o644 << 16
            package.writestr(entry, path.read_bytes())


def main() -> None:
    """Build, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "lambda", help="folder of the zip")
    parser.add_argument(
        "--platform",
        choices=get_args(Platform),
        default="local",
        help="where the package is to run (default %(default)s)",
    )
    arguments = parser.parse_args()
    path = build(arguments.output, arguments.platform)
    # The path alone, so that a shell can take it.
    print(path)


if __name__ == "__main__":
    main()
