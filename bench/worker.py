"""`make bench-worker`: what our durable worker costs over the bare pipeline, and how it does beside model servers.

Everything runs on this machine, one contender after the other, round after round, so that a ratio is taken from
neighbours in time. The small checkpoint makes a picture so fast that the cost of serving it shows.
"""

import argparse
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.ours import EmulatedAws, OurWorker
from bench.peers import Peer, PeerError, install
from bench.processes import awake, end, pause, start
from bench.workload import SIZE_PX, STEPS
from local_cloud import BUILD
from tiny_sdxl import CHECKPOINT_DIR

JOBS: Final = 24
BATCH: Final = 4
ROUNDS: Final = 7
RESULT: Final = BUILD / "bench" / "worker.json"
SHIPPED: Final = "ours, as it ships"
PEERS: Final = {"LitServe": "litserve", "Ray Serve": "ray"}


@dataclass(frozen=True)
class Contender:
    """Makes pictures in a process of its own, which stands still while it is not its turn."""

    make: Callable[[int], float]
    process: "subprocess.Popen[str]"

    def run(self, jobs: int) -> float:
        """Seconds for `jobs` pictures."""
        with awake(self.process):
            return self.make(jobs)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def bare(stack: ExitStack) -> Callable[[int], Contender]:
    """The pipeline in a process of its own; give the batch size for a contender."""
    process = start([sys.executable, "-m", "bench.contenders.bare", str(CHECKPOINT_DIR)])
    stack.callback(end, process)
    pipes = process.stdin, process.stdout

    def ask(line: str) -> str:
        assert pipes[0] is not None  # noqa: S101 - they are pipes
        assert pipes[1] is not None  # noqa: S101
        if line:
            pipes[0].write(line)
            pipes[0].flush()
        return pipes[1].readline()

    ask("")
    pause(process)
    return lambda batch: Contender(lambda jobs: float(ask(f"{jobs} {batch}\n")), process)


def peers(stack: ExitStack) -> dict[str, Contender]:
    """Those that can be had here."""
    found: dict[str, Contender] = {}
    try:
        python = install()
    except PeerError as error:
        print(f"no peers: they could not be installed: {error}")
        return found
    for name, app in PEERS.items():
        for batch in (1, BATCH):
            try:
                peer = Peer(python, app, free_port(), batch)
            except PeerError as error:
                print(f"without {name}, batch {batch}: {error}")
                continue
            stack.callback(peer.close)
            pause(peer.process)
            found[f"{name}, batch {batch}"] = Contender(peer.run, peer.process)
    return found


def main() -> int:
    """Measure, print, and write the figures. Returns 0 if all that was wanted could be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--jobs", type=int, default=JOBS, help="jobs a round (default %(default)s)")
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args()
    # So that being told to end ends the contenders, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        aws = EmulatedAws(directory, free_port(), free_port())
        stack.callback(aws.close)
        # Alone at first: what it takes to be ready, and what it weighs with nobody to share libraries with.
        alone = OurWorker(aws, 1)
        stack.callback(alone.close)
        alone.run(arguments.jobs)
        ready_seconds, pss_mb = alone.ready_seconds, alone.pss_mb()
        pause(alone.process)
        batched = OurWorker(aws, BATCH)
        stack.callback(batched.close)
        pause(batched.process)
        shipped = OurWorker(aws, None)
        stack.callback(shipped.close)
        print("waiting until our worker has compiled its pipeline: minutes the first time", flush=True)
        shipped.warm_up(arguments.jobs)
        pause(shipped.process)
        bare_with = bare(stack)
        contenders: dict[str, Contender] = {
            "bare, batch 1": bare_with(1),
            "ours, batch 1": Contender(alone.run, alone.process),
            f"bare, batch {BATCH}": bare_with(BATCH),
            f"ours, batch {BATCH}": Contender(batched.run, batched.process),
            SHIPPED: Contender(shipped.run, shipped.process),
            **({} if arguments.no_peers else peers(stack)),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for contender in contenders.values():
            contender.run(arguments.jobs)
        for number in range(arguments.rounds):
            for name, contender in contenders.items():
                seconds[name].append(contender.run(arguments.jobs))
            print(f"round {number + 1} of {arguments.rounds}", flush=True)

    figures = evaluate(seconds, arguments.jobs)
    figures |= {"ready_seconds": round(ready_seconds, 2), "pss_mb": round(pss_mb, 1)}
    print(f"\n{arguments.jobs} jobs of {SIZE_PX}x{SIZE_PX}, {STEPS} steps; medians of {arguments.rounds} rounds\n")
    for name, values in sorted(seconds.items(), key=lambda item: statistics.median(item[1])):
        median = statistics.median(values)
        print(f"  {name:<22} {arguments.jobs / median:6.2f} images/s   {median / arguments.jobs * 1000:6.1f} ms/image")
    print()
    for key, figure in figures.items():
        print(f"  {key:<24} {figure}")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def evaluate(seconds: dict[str, list[float]], jobs: int) -> dict[str, float]:
    """The figures: medians over the rounds of what is compared within each round."""

    def compared(one: str, other: str) -> list[tuple[float, float]]:
        return list(zip(seconds[one], seconds[other], strict=True))

    single = compared("bare, batch 1", "ours, batch 1")
    batched = compared(f"bare, batch {BATCH}", f"ours, batch {BATCH}")
    figures = {
        "overhead_ms_per_job": round(statistics.median((ours - bare) / jobs * 1000 for bare, ours in single), 2),
        "throughput_vs_bare_b1": round(statistics.median(bare / ours for bare, ours in single), 3),
        "throughput_vs_bare_b4": round(statistics.median(bare / ours for bare, ours in batched), 3),
    }
    rivals = [values for name, values in seconds.items() if name.startswith(tuple(PEERS))]
    if rivals:
        fastest = min(rivals, key=statistics.median)
        for figure, ours in (
            ("backlog_vs_best_peer", seconds[SHIPPED]),
            ("backlog_vs_best_peer_same_pipeline", seconds[f"ours, batch {BATCH}"]),
        ):
            ratios = (rival / own for rival, own in zip(fastest, ours, strict=True))
            figures[figure] = round(statistics.median(ratios), 3)
    return figures


if __name__ == "__main__":
    sys.exit(main())
