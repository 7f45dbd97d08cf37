"""Renders stacks/ into templates/; with --check, only says whether templates/ is what stacks/ renders."""

import argparse
import sys
from pathlib import Path
from typing import Final

from stacks.catalog import rendered
from stacks.template import to_yaml

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


def differing(texts: dict[str, str], directory: Path = TEMPLATES) -> list[str]:
    """Names of files in `directory` that are not what `texts` says, or are missing, or have no source."""
    committed = {path.name: path.read_text() for path in directory.glob("*.yaml")}
    return sorted(name for name in committed.keys() | texts.keys() if committed.get(name) != texts.get(name))


def main() -> int:
    """Render, or check. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a template differs")
    arguments = parser.parse_args()
    texts = {f"{name}.yaml": to_yaml(template) for name, template in rendered().items()}
    changed = differing(texts)
    if arguments.check:
        for name in changed:
            print(f"templates/{name} is not what stacks/ renders: run `make templates` and commit the result")
        return 1 if changed else 0
    TEMPLATES.mkdir(exist_ok=True)
    for name in changed:
        if name in texts:
            (TEMPLATES / name).write_text(texts[name])
            print(f"rendered templates/{name}, {len(texts[name].encode()):,} bytes")
        else:
            (TEMPLATES / name).unlink()
            print(f"removed templates/{name}: no stack renders it")
    if not changed:
        print(f"templates/ is up to date: {', '.join(texts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
