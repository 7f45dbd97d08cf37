"""Measures the tiny SDXL against its targets, prints a table and draws contact sheets."""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tiny_sdxl import CHECKPOINT_DIR
from tiny_sdxl.contact_sheet import labelled_sheet
from tiny_sdxl.judge import judge
from tiny_sdxl.judge_training import fresh_accuracy
from tiny_sdxl.pipeline import Case, all_cases, draw, load_pipeline
from tiny_sdxl.progress import Progress

README_SHEET = CHECKPOINT_DIR.parent / "contact-sheet.png"
_STEPS = 20
_GUIDANCE = 5.0
# Guidance 1 is off. It must lose at least this much of "colour and thing right": of 256 pictures that is
# six, which chance alone brings about in 3 % of evaluations.
_MINIMUM_GAIN = 0.02


@dataclass(frozen=True)
class Target:
    """A picture size and the least part of pictures (0..1) that must be right there."""

    pixels: int
    guidance_scale: float
    minimum_colour: float = 0.0
    minimum_thing: float = 0.0


TARGETS = (
    Target(64, _GUIDANCE, 0.97, 0.95),
    Target(128, _GUIDANCE, 0.95, 0.85),
    Target(64, 1.0),
)


@dataclass(frozen=True)
class Row:
    """What was measured for one target; the shares are of all pictures, 0..1."""

    target: Target
    pictures: int
    colour: float
    thing: float
    both: float
    seconds_per_image: float

    @property
    def passed(self) -> bool:
        return self.colour >= self.target.minimum_colour and self.thing >= self.target.minimum_thing


def measure(pipeline: Any, target: Target, cases: list[Case]) -> tuple[Row, list[Image.Image]]:
    """Draw all cases and let the judge look at them."""
    label = f"{target.pixels} px, guidance {target.guidance_scale:g}"
    started_at = time.monotonic()
    progress = Progress(label, len(cases))
    pictures = draw(
        pipeline,
        cases,
        width=target.pixels,
        height=target.pixels,
        num_inference_steps=_STEPS,
        guidance_scale=target.guidance_scale,
        on_progress=progress.show,
    )
    seconds = time.monotonic() - started_at
    verdicts = [judge(picture) for picture in pictures]
    colours = [verdict.colour == case.colour for verdict, case in zip(verdicts, cases, strict=True)]
    things = [verdict.thing == case.thing for verdict, case in zip(verdicts, cases, strict=True)]
    wrong = [
        f"{case.prompt} (seed {case.seed}): {verdict.colour} {verdict.thing}"
        for case, verdict, colour, thing in zip(cases, verdicts, colours, things, strict=True)
        if not (colour and thing)
    ]
    if wrong:
        print(f"{label}: wrong: {'; '.join(wrong[:12])}{' …' if len(wrong) > 12 else ''}")
    both = [colour and thing for colour, thing in zip(colours, things, strict=True)]
    count = len(cases)
    row = Row(target, count, sum(colours) / count, sum(things) / count, sum(both) / count, seconds / count)
    return row, pictures


def same_seed_same_picture(pipeline: Any) -> bool:
    """Whether drawing the same cases twice gives the same pixels, and another seed other ones."""
    cases = [Case("red", "heart", 7), Case("blue", "gem", 7), Case("blue", "gem", 8)]
    first, second = ([np.asarray(picture) for picture in draw(pipeline, cases)] for _ in range(2))
    repeats = all(np.array_equal(left, right) for left, right in zip(first, second, strict=True))
    return repeats and not np.array_equal(first[1], first[2])


def _table(rows: list[Row]) -> str:
    lines = [
        "| size | guidance | pictures | colour right | thing right | both right | s an image | targets |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        target = row.target
        goal = f"≥ {target.minimum_colour:.0%}, ≥ {target.minimum_thing:.0%}" if target.minimum_colour else "–"
        lines.append(
            f"| {target.pixels} px | {target.guidance_scale:g} | {row.pictures} | {row.colour:.1%} | {row.thing:.1%} "
            f"| {row.both:.1%} | {row.seconds_per_image:.2f} | {goal} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table and write the sheets; 1 if a target is missed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tiny_sdxl.evaluate", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT_DIR, help="diffusers directory to measure")
    parser.add_argument("--seeds", type=int, default=4, help="seeds for each colour of each thing (default: 4)")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch (default: 2)")
    parser.add_argument("--sheet", type=Path, default=Path("build/tiny_sdxl/contact-sheet.png"), help="all pictures")
    parser.add_argument("--json", type=Path, default=Path("build/bench/tiny.json"), help="the figures")
    parser.add_argument("--readme-sheet", action="store_true", help=f"also renew the README's {README_SHEET.name}")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    judge_colour, judge_thing = fresh_accuracy(400)
    print(f"judge on 400 fresh sprites: colour {judge_colour:.1%}, thing {judge_thing:.1%}", flush=True)
    pipeline = load_pipeline(options.checkpoint)
    cases = all_cases(options.seeds)
    measured = [measure(pipeline, target, cases) for target in TARGETS]
    rows = [row for row, _ in measured]
    repeats = same_seed_same_picture(pipeline)
    guidance_gain = rows[0].both - rows[-1].both
    checks = {
        **{f"accuracy at {row.target.pixels} px": row.passed for row in rows[:-1]},
        "same seed, same picture": repeats,
        f"guidance {_GUIDANCE:g} beats guidance 1 (by {guidance_gain:.1%})": guidance_gain >= _MINIMUM_GAIN,
    }
    print(f"\n{_table(rows)}\n")
    for name, passed in checks.items():
        print(f"{'ok    ' if passed else 'MISSED'} {name}")
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    labelled_sheet(cases, measured[0][1]).save(options.sheet, optimize=True)
    print(f"\ncontact sheet: {options.sheet}")
    if options.readme_sheet:
        first_seeds = [index for index in range(len(cases)) if index % options.seeds == 0]
        pictures = measured[0][1]
        sheet = labelled_sheet([cases[index] for index in first_seeds], [pictures[index] for index in first_seeds])
        sheet.save(README_SHEET, optimize=True)
        print(f"README sheet: {README_SHEET}")
    figures = {
        "judge": {"colour": judge_colour, "thing": judge_thing},
        "num_inference_steps": _STEPS,
        "torch_threads": options.threads,
        "rows": [asdict(row) for row in rows],
        "checks": checks,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
