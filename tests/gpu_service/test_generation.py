"""What comes out of the pipeline: the same picture for the same request and seed, whatever runs beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gpu_service.errors import Interrupted, UnusablePictureError
from gpu_service.generation import Made, Outcome, Pixels, generate
from gpu_service.preview import PREVIEW_SIDE_MAX_PX
from jobs.request import Generation, Scheduler

# Batched sums are rounded in another order: measured as 1.5e-6 of the value range, so a pixel may land one level off.
LEVELS_APART_MAX = 1


class Asker:
    """Wants everything, unless told otherwise, and remembers what it was told."""

    def __init__(self, *, unwanted_after: dict[int, int] | None = None, previews: bool = False) -> None:
        self.unwanted_after = unwanted_after or {}
        self.previews = previews
        self.steps: list[tuple[int, int]] = []
        self.shown: dict[int, Image.Image] = {}

    def is_wanted(self, index: int) -> bool:
        return len(self.steps) < self.unwanted_after.get(index, 10**6)

    def wants_preview(self, index: int) -> bool:
        return self.previews

    def on_preview(self, index: int, picture: Image.Image) -> None:
        self.shown[index] = picture

    def on_step(self, step: int, total_steps: int) -> None:
        self.steps.append((step, total_steps))


def request(**fields: Any) -> Generation:
    defaults = {"prompt": "a red heart", "width": 64, "height": 64, "num_inference_steps": 6, "seed": 3}
    return Generation.model_validate({**defaults, **fields})


def pictures(outcome: Outcome) -> tuple[Pixels, ...]:
    assert isinstance(outcome, Made)
    return outcome.pictures


def levels_apart(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@contextmanager
def decoded_rows(pipeline: Any) -> Iterator[list[int]]:
    rows: list[int] = []
    decode = pipeline.vae.decode

    def counting(latents: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        rows.append(len(latents))
        return decode(latents, *arguments, **options)

    pipeline.vae.decode = counting
    try:
        yield rows
    finally:
        pipeline.vae.decode = decode


@pytest.mark.parametrize("scheduler", [None, *Scheduler])
def test_a_picture_is_the_same_alone_and_in_a_batch(pipeline: Any, scheduler: Scheduler | None) -> None:
    wanted = request(scheduler=scheduler, prompt="a blue gem", negative_prompt="red", seed=8)
    others = [request(scheduler=scheduler, seed=1), request(scheduler=scheduler, prompt="a green key", num_images=2)]

    (alone,) = generate(pipeline, [wanted], images_at_once=4, observer=Asker())
    (again,) = generate(pipeline, [wanted], images_at_once=4, observer=Asker())
    batched = generate(pipeline, [others[0], wanted, others[1]], images_at_once=4, observer=Asker())

    assert np.array_equal(pictures(alone)[0], pictures(again)[0])
    assert levels_apart(pictures(alone)[0], pictures(batched[1])[0]) <= LEVELS_APART_MAX
    assert levels_apart(pictures(alone)[0], pictures(batched[0])[0]) > 50
    assert len(pictures(batched[2])) == 2


def test_each_scheduler_draws_in_its_own_way(pipeline: Any) -> None:
    own = type(pipeline.scheduler)
    drawn = {}
    for scheduler in Scheduler:
        (outcome,) = generate(pipeline, [request(scheduler=scheduler)], images_at_once=4, observer=Asker())
        drawn[scheduler] = pictures(outcome)[0].tobytes()
    assert len(set(drawn.values())) == len(Scheduler)
    assert type(pipeline.scheduler) is own


def test_without_a_scheduler_the_models_own_is_used_and_named(pipeline: Any) -> None:
    unnamed, named = (
        generate(pipeline, [request(scheduler=scheduler)], images_at_once=4, observer=Asker())[0]
        for scheduler in (None, Scheduler.EULER)
    )
    assert isinstance(unnamed, Made)
    assert unnamed.sampler == "Euler"
    assert np.array_equal(pictures(unnamed)[0], pictures(named)[0])


def test_picture_n_is_the_first_picture_of_seed_plus_n(pipeline: Any) -> None:
    (several,) = generate(pipeline, [request(num_images=3, seed=5)], images_at_once=4, observer=Asker())
    (alone,) = generate(pipeline, [request(seed=7)], images_at_once=4, observer=Asker())
    assert levels_apart(pictures(several)[2], pictures(alone)[0]) <= LEVELS_APART_MAX


def test_more_pictures_than_fit_are_made_in_several_calls(pipeline: Any) -> None:
    asker = Asker()
    (five,) = generate(pipeline, [request(num_images=5)], images_at_once=2, observer=asker)
    (last,) = generate(pipeline, [request(seed=3 + 4)], images_at_once=2, observer=Asker())
    assert asker.steps == [(step, 18) for step in range(1, 19)]
    assert levels_apart(pictures(five)[4], pictures(last)[0]) <= LEVELS_APART_MAX


def test_clip_skip_changes_the_picture_and_too_much_of_it_is_refused(pipeline: Any) -> None:
    plain, skipping = (
        generate(pipeline, [request(clip_skip=skip)], images_at_once=4, observer=Asker())[0] for skip in (0, 1)
    )
    assert levels_apart(pictures(plain)[0], pictures(skipping)[0]) > LEVELS_APART_MAX
    with pytest.raises(IndexError):
        generate(pipeline, [request(clip_skip=9)], images_at_once=4, observer=Asker())


def test_what_nobody_wants_stops_at_the_next_step_and_is_not_decoded(pipeline: Any) -> None:
    asker = Asker(unwanted_after={0: 2, 1: 3})
    with decoded_rows(pipeline) as rows, pytest.raises(Interrupted):
        generate(pipeline, [request(), request(seed=4)], images_at_once=4, observer=asker)
    assert (len(asker.steps), rows) == (3, [])


def test_what_nobody_wants_of_a_batch_is_not_decoded(pipeline: Any) -> None:
    asker = Asker(unwanted_after={1: 2})
    wanted = [request(), request(seed=4), request(seed=5)]
    with decoded_rows(pipeline) as rows:
        first, dropped, last = generate(pipeline, wanted, images_at_once=4, observer=asker)
    assert rows == [2]
    assert dropped is None
    for outcome, alone in ((first, request()), (last, request(seed=5))):
        (single,) = generate(pipeline, [alone], images_at_once=4, observer=Asker())
        assert levels_apart(pictures(outcome)[0], pictures(single)[0]) <= LEVELS_APART_MAX


def test_what_nobody_wants_does_not_end_what_is_made_after_it(pipeline: Any) -> None:
    asker = Asker(unwanted_after={1: 6})
    wanted = [request(), request(seed=4), request(seed=5)]
    first, dropped, last = generate(pipeline, wanted, images_at_once=1, observer=asker)
    assert dropped is None
    for outcome, alone in ((first, request()), (last, request(seed=5))):
        (single,) = generate(pipeline, [alone], images_at_once=1, observer=Asker())
        assert levels_apart(pictures(outcome)[0], pictures(single)[0]) == 0


def test_output_that_is_no_picture_is_an_error_and_not_a_black_picture(pipeline: Any) -> None:
    decode = pipeline.vae.decode

    def spoiling(latents: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        spoiled = latents.clone()
        spoiled[0] = float("nan")
        return decode(spoiled, *arguments, **options)

    pipeline.vae.decode = spoiling
    try:
        bad, good = generate(pipeline, [request(), request(seed=4)], images_at_once=4, observer=Asker())
    finally:
        pipeline.vae.decode = decode
    assert isinstance(bad, UnusablePictureError)
    assert len(pictures(good)) == 1


def test_a_preview_looks_like_the_picture(pipeline: Any) -> None:
    asker = Asker(previews=True)
    (outcome,) = generate(pipeline, [request(width=192, height=128)], images_at_once=4, observer=asker)
    preview = asker.shown[0]
    assert preview.size == (PREVIEW_SIDE_MAX_PX, round(PREVIEW_SIDE_MAX_PX * 128 / 192))
    # The last preview shows the finished latents.
    small = Image.fromarray(pictures(outcome)[0]).resize(preview.size)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(preview).astype(int)).mean() < 10
