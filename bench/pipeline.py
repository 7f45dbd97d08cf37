"""Plain diffusers against the worker's plan on this device, its parts switched on one by one: `make bench-pipeline`.

Every variant is a process of its own, so that its memory and its cold start are its own as well. In each round all of
them draw in turn, because a shared machine changes its pace; a ratio is of one round, and the median counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from gpu_service.device import read_facts
from gpu_service.model_facts import read_model_facts
from gpu_service.plan import Compile, Device, Plan
from gpu_service.plan_wishes import (
    ENV_ATTENTION,
    ENV_FUSE_QKV,
    ENV_MEMORY_FORMAT,
    ENV_PRECISION,
    Wishes,
)
from gpu_service.planning import make_plan
from jobs.names import ENV_COMPILE
from tiny_sdxl import CHECKPOINT_DIR

RESULT: Final = Path("build/bench/pipeline.json")
STEPS: Final = 20
ROUNDS: Final = 15
PLAIN: Final = "plain diffusers"
# What is off at first, and the order in which the plan's own choice takes its place.
_OFF: Final = {
    ENV_MEMORY_FORMAT: "contiguous",
    ENV_ATTENTION: "sdpa",
    ENV_FUSE_QKV: "off",
    ENV_COMPILE: "off",
}


@dataclass
class Variant:
    """One way to draw, and what was measured of it."""

    name: str
    environment: dict[str, str]
    cold_start_seconds: float = 0.0
    compile_seconds: float = 0.0
    memory_bytes: int = 0
    seconds: list[float] = field(default_factory=list)
    process: "subprocess.Popen[str] | None" = None

    def start(self, model: Path, cache: Path) -> None:
        """Start the process, let it draw its first picture, and wait until all it compiles is compiled."""
        started = time.monotonic()
        environment = {
            **os.environ,
            **self.environment,
            "OMP_WAIT_POLICY": "passive",
            "TRANSFORMERS_VERBOSITY": "error",
        }
        self.process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "bench.pipeline_variant", str(model), str(cache), self.name, str(STEPS)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask("draw")
        self.cold_start_seconds = self.cold_start_seconds or time.monotonic() - started
        self.compile_seconds = max(self.compile_seconds, self._ask("warm")["seconds"])

    def draw(self) -> None:
        """Draw one picture."""
        answer = self._ask("draw")
        self.seconds.append(answer["seconds"])
        self.memory_bytes = max(self.memory_bytes, answer["memory_bytes"])

    def stop(self) -> None:
        """End the process."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(30)
            self.process = None

    def _ask(self, command: str) -> dict[str, Any]:
        process = self.process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError(f"{self.name} is not running")
        process.stdin.write(command + "\n")
        process.stdin.flush()
        for line in process.stdout:
            # Log lines come by as well.
            if line.startswith("bench "):
                answer: dict[str, Any] = json.loads(line.removeprefix("bench "))
                return answer
        raise RuntimeError(f"{self.name} ended with exit code {process.wait()}")


def variants(plan: Plan) -> list[Variant]:
    """Plain diffusers, then one part of the plan more each time."""
    chosen = {
        ENV_PRECISION: str(plan.precision),
        ENV_MEMORY_FORMAT: str(plan.memory_format),
        ENV_ATTENTION: str(plan.attention),
        ENV_FUSE_QKV: "on" if plan.fuse_qkv else "off",
        ENV_COMPILE: str(plan.compile),
    }
    off = {ENV_PRECISION: "fp32" if plan.device is Device.CPU else "fp16", **_OFF}
    listed = [Variant(PLAIN, off)]
    present = off
    for option, value in chosen.items():
        if present[option] != value:
            present = {**present, option: value}
            listed.append(Variant(f"+ {value if value != 'on' else 'fused qkv'}", present))
    return listed


def measure(model: Path, rounds: int) -> dict[str, Any]:
    """Run it, and return the figures."""
    facts = read_facts(read_model_facts(model).channels)
    model_facts = read_model_facts(model)
    plan = make_plan(facts, model_facts, Wishes.from_environment())
    listed = variants(plan)
    # A GPU holds one of them at a time; main memory holds all.
    together = plan.device is Device.CPU
    with tempfile.TemporaryDirectory() as cache:
        try:
            for variant in listed:
                compiles = variant.environment[ENV_COMPILE] != "off"
                hint = ", and waiting until it is compiled, which takes minutes" if compiles else ""
                print(f"  starting {variant.name}{hint}", flush=True)
                variant.start(model, Path(cache))
                if not together:
                    variant.stop()
            said = time.monotonic()
            for number in range(rounds):
                for variant in listed:
                    if not together:
                        variant.start(model, Path(cache))
                    variant.draw()
                    if not together:
                        variant.stop()
                if time.monotonic() - said > 2:
                    said = time.monotonic()
                    print(f"  round {number + 1} of {rounds}", flush=True)
            ours = listed[-1]
            ours.stop()
            cached = Variant(ours.name, ours.environment)
            cached.start(model, Path(cache))
            cached.stop()
        finally:
            for variant in listed:
                variant.stop()
    plain = listed[0]
    rows = [
        {
            "name": variant.name,
            "seconds_per_image": round(statistics.median(variant.seconds), 4),
            "speedup_vs_diffusers": round(_speedup(plain, variant), 3),
            "memory_mb": round(variant.memory_bytes / 1e6),
            "cold_start_seconds": round(variant.cold_start_seconds, 2),
            "compile_seconds": round(variant.compile_seconds, 1),
        }
        for variant in listed
    ]
    return {
        "device": facts.name,
        "size_px": model_facts.size_px,
        "steps": STEPS,
        "rounds": rounds,
        "plan": asdict(plan),
        "speedup_vs_diffusers": rows[-1]["speedup_vs_diffusers"],
        "compile_seconds_from_cache": round(cached.compile_seconds, 1) if plan.compile is not Compile.OFF else None,
        "variants": rows,
    }


def _speedup(plain: Variant, variant: Variant) -> float:
    return statistics.median(slow / fast for slow, fast in zip(plain.seconds, variant.seconds, strict=True))


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path(CHECKPOINT_DIR), help="a diffusers directory")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    result = measure(arguments.model, arguments.rounds)
    print(f"{result['device']}, {result['size_px']} px, {STEPS} steps, median of {result['rounds']} alternated rounds")
    print(f"{'':28}{'s/image':>9}{'speed':>8}{'MB':>7}{'cold start':>12}{'compile':>9}")
    for row in result["variants"]:
        print(
            f"{row['name']:28}{row['seconds_per_image']:9.3f}{row['speedup_vs_diffusers']:7.2f}x{row['memory_mb']:7}"
            f"{row['cold_start_seconds']:10.1f} s{row['compile_seconds']:7.1f} s"
        )
    if result["compile_seconds_from_cache"] is not None:
        print(f"the next start takes its compiled code from the disk in {result['compile_seconds_from_cache']} s")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"wrote {RESULT}")


if __name__ == "__main__":
    main()
