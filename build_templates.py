"""Renders stacks/ into templates/ and checks what it wrote; with --check, says whether templates/ is up to date."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from stacks.catalog import rendered
from stacks.gates import check_invariants, check_size
from stacks.yaml_text import to_yaml

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


def differing(texts: Mapping[str, str], directory: Path = TEMPLATES) -> list[str]:
    """Names of templates in `directory` that are not what `texts` says, or are missing, or have no source."""
    committed = {path.stem: path.read_text() for path in directory.glob("*.yaml")}
    return sorted(name for name in committed.keys() | texts.keys() if committed.get(name) != texts.get(name))


def write(texts: Mapping[str, str], directory: Path = TEMPLATES) -> None:
    """Make `directory` hold what `texts` says, and say what changed."""
    directory.mkdir(exist_ok=True)
    changed = differing(texts, directory)
    for name in changed:
        path = directory / f"{name}.yaml"
        if name in texts:
            path.write_text(texts[name])
            print(f"rendered {path.name}, {len(texts[name].encode()):,} bytes")
        else:
            path.unlink()
            print(f"removed {path.name}: no stack renders it")
    if not changed:
        print(f"up to date: {', '.join(texts)}")


def main() -> int:
    """Render, or check. Returns 0, or 1 if a template differs or has a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a template differs")
    arguments = parser.parse_args()
    texts = {name: to_yaml(template) for name, template in rendered().items()}
    if arguments.check:
        for name in (changed := differing(texts)):
            print(f"templates/{name}.yaml is not what stacks/ renders: run `make templates` and commit the result")
        return 1 if changed else 0
    write(texts)
    faults = [*check_size(texts), *check_invariants(texts)]
    for fault in faults:
        print(f"{fault.template}: {fault.rule}: {fault.message}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
