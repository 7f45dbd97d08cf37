"""`python -m stacks.check FILE…`: our invariants over any CloudFormation templates, YAML or JSON."""

import argparse
import sys
from pathlib import Path

from stacks.invariants import findings
from stacks.yaml_text import from_yaml


def main() -> int:
    """Check the files. Returns 0 if all is well, 1 if anything was found, 2 if a file can't be read."""
    parser = argparse.ArgumentParser(prog="python -m stacks.check", description=__doc__)
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+")
    arguments = parser.parse_args()
    found = 0
    for path in arguments.files:
        try:
            template = from_yaml(path.read_text())
        except (OSError, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 2
        for finding in findings(template):
            print(f"{path}: {finding.logical_id}: {finding.message}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
