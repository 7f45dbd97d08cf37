"""Writes requirements.txt and constraints.txt for the image: what the worker needs, in the lock's versions.

`python list_requirements.py pyproject.toml requirements.lock torch==VERSION`
"""

import sys
import tomllib
from pathlib import Path


def main(project_file: str, lock_file: str, torch: str) -> None:
    """`torch` is the version that is installed already."""
    project = tomllib.loads(Path(project_file).read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["worker"]]
    Path("requirements.txt").write_text("\n".join(needed) + "\n")
    pinned = [line for line in Path(lock_file).read_text().splitlines() if not line.startswith("torch==")]
    Path("constraints.txt").write_text("\n".join([*pinned, torch]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
