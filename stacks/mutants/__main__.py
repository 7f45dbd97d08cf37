"""`python -m stacks.mutants`: every mutant through every gate; fails if one is not caught, or a sound template is."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Final

from stacks.gates import GATES, GateError, Texts
from stacks.mutants.bases import bases
from stacks.mutants.catalogue import MUTANTS
from stacks.yaml_text import to_yaml

# checkov takes all templates in one run; the others are worth a process for each core.
_BATCH_GATE: Final = "checkov"


def _caught(gate: str, texts: Texts) -> set[str]:
    """Names of the templates in which the gate found something."""
    return {fault.template for fault in GATES[gate](texts)}


def _caught_by_cheap_gates(texts: Texts) -> dict[str, set[str]]:
    return {gate: _caught(gate, texts) for gate in GATES if gate != _BATCH_GATE}


def run(texts: Texts) -> dict[str, set[str]]:
    """Which templates each gate finds something in. Raises `GateError`."""
    processes = os.cpu_count() or 1
    parts = [dict(list(texts.items())[start::processes]) for start in range(processes)]
    with ThreadPoolExecutor(max_workers=1) as thread, ProcessPoolExecutor(max_workers=processes) as pool:
        batch = thread.submit(_caught, _BATCH_GATE, texts)
        results = list(pool.map(_caught_by_cheap_gates, parts))
        caught = {gate: set[str]().union(*(result[gate] for result in results)) for gate in results[0]}
        return {**caught, _BATCH_GATE: batch.result()}


def _print_table(names: Mapping[str, str], caught: dict[str, set[str]]) -> None:
    width = max((len(name) for name in names.values()), default=0)
    print(f"{'':<{width}}  {'  '.join(caught)}")
    for key, name in names.items():
        marks = "  ".join(f"{'x' if key in found else '.':<{len(gate)}}" for gate, found in caught.items())
        print(f"{name:<{width}}  {marks}")


def main() -> int:
    """Run all mutants. Returns 0 if each is caught and no sound template is, 2 if a gate can't run."""
    argparse.ArgumentParser(prog="python -m stacks.mutants", description=__doc__).parse_args()
    started = time.monotonic()
    sound = bases()
    keys = {f"mutant-{number:03}": mutant for number, mutant in enumerate(MUTANTS)}
    sound_keys = {f"sound-{number:03}": name for number, name in enumerate(sound)}
    texts = {key: to_yaml(sound[name]) for key, name in sound_keys.items()}
    texts |= {key: to_yaml(mutant.apply(sound[mutant.base])) for key, mutant in keys.items()}
    try:
        caught = run(texts)
    except GateError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    _print_table({key: f"{mutant.group}: {mutant.name}" for key, mutant in keys.items()}, caught)
    found_by = {key: [gate for gate, found in caught.items() if key in found] for key in texts}
    only = Counter(gates[0] for key, gates in found_by.items() if len(gates) == 1 and key in keys)
    print()
    for gate, found in caught.items():
        print(
            f"{gate:<24} catches {len(found & keys.keys()):3} of {len(keys)}, {only[gate]:3} that no other gate catches"
        )
    missed = [mutant for key, mutant in keys.items() if not found_by[key]]
    for mutant in missed:
        print(f"NOT CAUGHT: {mutant.group}: {mutant.name} ({mutant.base})")
    accused = [name for key, name in sound_keys.items() if found_by[key]]
    for name in accused:
        print(f"SOUND, BUT ACCUSED: {name}")
    print(f"{len(keys) - len(missed)} of {len(keys)} mutants caught, {time.monotonic() - started:.0f} s")
    return 1 if missed or accused else 0


if __name__ == "__main__":
    sys.exit(main())
