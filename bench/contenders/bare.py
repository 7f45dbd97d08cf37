"""The bare pipeline: reads `JOBS BATCH` from its input, makes that many pictures, says when it has."""

import sys

from bench.contenders.plain import call, load


def main() -> None:
    """Serve until the input ends."""
    pipeline = load(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        jobs, batch = map(int, line.split())
        for first in range(0, jobs, batch):
            seeds = range(first, min(first + batch, jobs))
            call(pipeline, [f"a red heart number {seed}" for seed in seeds], list(seeds))
        print("made", flush=True)


if __name__ == "__main__":
    main()
