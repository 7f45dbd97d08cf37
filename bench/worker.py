"""`make bench-worker`: what our durable worker costs over the bare pipeline, and how it does beside model servers.

Everything runs on this machine, round after round. Who is compared takes turns, and who is not stands still. The small
checkpoint makes a picture so fast that the cost of serving it shows.
"""

import argparse
import json
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from bench.ours import EmulatedAws, OurWorker
from bench.peers import Peer, PeerError, install
from bench.processes import end, family, start, suspend
from bench.turns import Contender, seconds_of_each
from bench.workload import SIZE_PX, STEPS
from local_cloud import BUILD
from tiny_sdxl import CHECKPOINT_DIR

JOBS: Final = 24
BATCH: Final = 4
# A round's difference of some milliseconds scatters by as much, however fair the turns: of many rounds, the median.
ROUNDS: Final = 9
# The peers differ by far more than that.
PEER_ROUNDS: Final = 3
RESULT: Final = BUILD / "bench" / "worker.json"
SHIPPED: Final = "ours, as it ships"
OURS_SINGLE: Final = "ours, batch 1"
OURS_BATCHED: Final = f"ours, batch {BATCH}"
BARE_SINGLE: Final = "bare, batch 1"
BARE_BATCHED: Final = f"bare, batch {BATCH}"
PEERS: Final = {"LitServe": "litserve", "Ray Serve": "ray"}


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
    assert process.stdin is not None  # noqa: S101 - they are pipes
    assert process.stdout is not None  # noqa: S101
    to, answers = process.stdin, process.stdout

    def answer() -> None:
        if not answers.readline():
            raise RuntimeError(f"the bare pipeline ended with exit code {process.wait()}")

    def make(jobs: int, batch: int) -> None:
        to.write(f"{jobs} {batch}\n")
        to.flush()
        answer()

    answer()
    suspend(family(process))
    return lambda batch: Contender(lambda jobs: lambda: make(jobs, batch), [process])


def ours(stack: ExitStack, aws: EmulatedAws, jobs: int) -> tuple[dict[str, Contender], dict[str, float]]:
    """Our worker, once for each way of measuring it; and what the first one needed to be ready, and weighs."""
    # Alone at first, with nobody to share libraries with.
    alone = OurWorker(aws, 1)
    stack.callback(alone.close)
    alone.prepare(jobs)()
    figures = {"ready_seconds": round(alone.ready_seconds, 2), "pss_mb": round(alone.pss_mb(), 1)}
    suspend(family(alone.process))
    batched = OurWorker(aws, BATCH)
    stack.callback(batched.close)
    suspend(family(batched.process))
    shipped = OurWorker(aws, None)
    stack.callback(shipped.close)
    print("waiting until our worker has compiled its pipeline: minutes the first time", flush=True)
    shipped.warm_up(jobs)
    suspend(family(shipped.process))
    workers = {OURS_SINGLE: alone, OURS_BATCHED: batched, SHIPPED: shipped}
    return {name: Contender(worker.prepare, [worker.process, aws.process]) for name, worker in workers.items()}, figures


def peers(stack: ExitStack) -> dict[str, Contender]:
    """Those that can be had here."""
    found: dict[str, Contender] = {}
    try:
        python = install()
    except PeerError as error:
        print(f"no peers: they could not be installed: {error}")
        return found
    for batch in (BATCH, 1):
        for name, app in PEERS.items():
            try:
                peer = Peer(python, app, free_port(), batch)
            except PeerError as error:
                print(f"without {name}, batch {batch}: {error}")
                continue
            stack.callback(peer.close)
            suspend(family(peer.process))
            found[f"{name}, batch {batch}"] = Contender(partial(partial, peer.run), [peer.process])
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
        contenders, figures = ours(stack, aws, arguments.jobs)
        bare_with = bare(stack)
        contenders |= {BARE_SINGLE: bare_with(1), BARE_BATCHED: bare_with(BATCH)}
        rivals = {} if arguments.no_peers else peers(stack)
        contenders |= rivals
        # Two at a time where the difference is small: a job that has to wait for more turns is one of over a second,
        # for which the worker does more.
        matches = [[BARE_SINGLE, OURS_SINGLE], [BARE_BATCHED, OURS_BATCHED], [SHIPPED, *rivals]]
        # Of a picture, round by round.
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(-1, arguments.rounds):
            for match in matches:
                if SHIPPED in match and number >= PEER_ROUNDS:
                    continue
                spent = seconds_of_each([contenders[name] for name in match], arguments.jobs)
                # The first time warms up.
                if number >= 0:
                    for name, contender_seconds in zip(match, spent, strict=True):
                        seconds[name].append(contender_seconds / arguments.jobs)
            print(f"round {number + 1} of {arguments.rounds}", flush=True)

    figures = evaluate(seconds, list(rivals)) | figures
    print(f"\n{arguments.rounds} rounds of {arguments.jobs} jobs of {SIZE_PX}x{SIZE_PX}, {STEPS} steps; medians\n")
    medians = {name: median(rounds) for name, rounds in seconds.items()}
    for name, picture_seconds in sorted(medians.items(), key=lambda item: item[1]):
        print(f"  {name:<22} {1 / picture_seconds:6.2f} images/s   {picture_seconds * 1000:6.1f} ms/image")
    print()
    for key, figure in figures.items():
        print(f"  {key:<34} {figure}")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def evaluate(seconds: Mapping[str, Sequence[float]], rivals: Sequence[str]) -> dict[str, float]:
    """The figures, medians of the rounds, from the seconds that each contender took for a picture in each round."""

    def speed(name: str, other: str) -> float:
        return median(theirs / ours for ours, theirs in zip(seconds[name], seconds[other], strict=True))

    overheads = [single - alone for single, alone in zip(seconds[OURS_SINGLE], seconds[BARE_SINGLE], strict=True)]
    figures = {
        "overhead_ms_per_job": round(median(overheads) * 1000, 2),
        "throughput_vs_bare_b1": round(speed(OURS_SINGLE, BARE_SINGLE), 3),
        "throughput_vs_bare_b4": round(speed(OURS_BATCHED, BARE_BATCHED), 3),
    }
    if rivals:
        best = min(rivals, key=lambda name: median(seconds[name]))
        figures["backlog_vs_best_peer"] = round(speed(SHIPPED, best), 3)
        figures["backlog_vs_best_peer_same_pipeline"] = round(median(seconds[best]) / median(seconds[OURS_BATCHED]), 3)
    return figures


if __name__ == "__main__":
    sys.exit(main())
