"""`python -m stacks.lint`: all gates over templates/, with the time that each took."""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from stacks.gates import GATES, TEMPLATES, Fault, Gate, GateError, Texts, check_checkov_and_skips, check_drift

_GATES: Final[dict[str, Gate]] = {"drift": check_drift, **GATES, "checkov": check_checkov_and_skips}


def _run(name: str, gate: Gate, texts: Texts) -> tuple[str, list[Fault], float]:
    started = time.monotonic()
    faults = gate(texts)
    return name, faults, time.monotonic() - started


def main() -> int:
    """Run the gates. Returns 0 if all passed, 1 if anything was found, 2 if a gate can't run."""
    parser = argparse.ArgumentParser(prog="python -m stacks.lint", description=__doc__)
    parser.add_argument("--without", action="append", default=[], choices=_GATES, help="leave a gate out")
    arguments = parser.parse_args()
    texts = {path.stem: path.read_text() for path in sorted(TEMPLATES.glob("*.yaml"))}
    chosen = {name: gate for name, gate in _GATES.items() if name not in arguments.without}
    started = time.monotonic()
    try:
        # checkov, the last one, is a process of its own: one thread waits for it, the other does the rest.
        with ThreadPoolExecutor(max_workers=2) as pool:
            pending = [pool.submit(_run, name, gate, texts) for name, gate in reversed(chosen.items())]
            results = [each.result() for each in reversed(pending)]
    except GateError as error:
        print(f"lint: {error}", file=sys.stderr)
        return 2
    for name, faults, seconds in results:
        print(f"{name:<24} {seconds:5.1f} s  {f'{len(faults)} faults' if faults else 'passed'}")
        for fault in faults:
            print(f"  {fault.template}: {fault.rule}: {fault.message}")
    print(f"{len(texts)} templates, {len(results)} gates, {time.monotonic() - started:.1f} s")
    return 1 if any(faults for _, faults, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main())
