"""The out-of-memory ladder on a real pipeline, with the processor in the GPU's place, and errors that end the process.

What a GPU would add is not run here: real allocation failures, and weights that really travel.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.big_modeling import cpu_offload

from gpu_service import starting
from gpu_service.engine import Engine, is_device_lost, is_out_of_memory
from gpu_service.errors import DeviceLostError, OutOfMemoryError
from gpu_service.plan import Plan, Rung
from jobs.logs import make_logger
from tests.gpu_service.conftest import CPU, CPU_AS_GPU, GPU, draw, plan_for

LADDER = [Rung.RESIDENT, Rung.SLICING, Rung.MODEL_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD, Rung.CPU]
# Sliced decoding adds the same numbers in another order.
TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def _processor_without_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    # diffusers calls the stand-in "cpu:0". PyTorch copies a parameter that is on "cpu" when it is moved there, and the
    # copy is none: a trouble of the stand-in, which no GPU has.
    monkeypatch.setattr("accelerate.cpu_offload", lambda model, device, **more: cpu_offload(model, CPU_AS_GPU, **more))


@pytest.fixture
def engine(load: Callable[[Plan], Any], checkpoint: Path) -> Engine:
    plan = plan_for(checkpoint, GPU, precision="fp32", compile="off")
    return Engine(load(plan), plan, logger=make_logger("test"), gpu=CPU_AS_GPU)


def out_of_memory_in(part: str, failures: int) -> Callable[[Any], torch.Tensor]:
    """Work that draws, with memory running out in `part` of the pipeline the first `failures` times."""
    left = failures

    def work(pipeline: Any) -> torch.Tensor:
        nonlocal left

        def fail(module: Any, arguments: Any) -> None:
            nonlocal left
            if left > 0:
                left -= 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

        module = pipeline.vae.decoder if part == "decoder" else getattr(pipeline, part)
        hook = module.register_forward_pre_hook(fail)
        try:
            return draw(pipeline, images=2, steps=2)
        finally:
            hook.remove()

    return work


@pytest.mark.parametrize("failures", [1, 2, 3, 4])
@pytest.mark.parametrize("part", ["unet", "decoder"])
def test_the_job_goes_on_at_once_on_the_next_rung_that_holds_it(engine: Engine, part: str, failures: int) -> None:
    expected = engine.run(lambda pipeline: draw(pipeline, images=2, steps=2))
    pictures = engine.run(out_of_memory_in(part, failures))
    assert (engine.rung, engine.out_of_memory_count) == (LADDER[failures], failures)
    assert (pictures - expected).abs().max() < TOLERANCE
    # The rung holds for the jobs that follow, and they work.
    assert (engine.run(lambda pipeline: draw(pipeline, images=2, steps=2)) - expected).abs().max() < TOLERANCE
    assert engine.rung == LADDER[failures]


def test_each_rung_makes_the_calls_that_its_name_promises(engine: Engine) -> None:
    def state(pipeline: Any) -> tuple[bool, bool, str]:
        hook = type(getattr(pipeline.unet, "_hf_hook", None)).__name__
        return pipeline.vae.use_slicing, pipeline.vae.use_tiling, hook

    states = [engine.run(state)]
    for _ in LADDER[1:]:
        engine.run(out_of_memory_in("unet", 1))
        states.append(engine.run(state))
    assert states == [
        (False, False, "NoneType"),
        (True, True, "NoneType"),
        (True, True, "CpuOffload"),
        (True, True, "AlignDevicesHook"),
        (True, True, "NoneType"),
    ]
    assert engine.device == "cpu"


def test_the_work_sees_the_room_that_is_left_when_it_is_called_again(engine: Engine) -> None:
    limits: list[int] = []

    def work(pipeline: Any) -> None:
        limits.append(engine.batch_limit(64, 64))
        if len(limits) == 1:
            raise torch.OutOfMemoryError

    engine.run(work)
    assert limits == [8, 1]


def test_memory_that_runs_out_on_the_last_rung_fails_the_job_alone(engine: Engine) -> None:
    with pytest.raises(OutOfMemoryError, match="last rung, cpu") as failed:
        engine.run(out_of_memory_in("unet", 5))
    assert failed.value.code == "out_of_memory"
    assert engine.run(draw).shape == (1, 3, 64, 64)


def test_a_cpu_that_runs_out_of_memory_has_no_rung_to_go_to(load: Callable[[Plan], Any], checkpoint: Path) -> None:
    plan = plan_for(checkpoint, CPU, compile="off")
    engine = Engine(load(plan), plan, logger=make_logger("test"))

    def work(pipeline: Any) -> torch.Tensor:
        return torch.empty(2**50)

    with pytest.raises(OutOfMemoryError, match="can't allocate memory"):
        engine.run(work)


def test_an_error_of_the_job_changes_no_rung(engine: Engine) -> None:
    with pytest.raises(ValueError, match="divisible by 8"):
        engine.run(lambda pipeline: pipeline("x", width=65, height=64))
    assert engine.rung == Rung.RESIDENT


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: device-side assert triggered",
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: uncorrectable ECC error encountered",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    ],
)
def test_a_poisoned_process_says_so(engine: Engine, text: str) -> None:
    def work(pipeline: Any) -> None:
        raise RuntimeError(text)

    with pytest.raises(DeviceLostError, match=text):
        engine.run(work)


def test_running_out_of_memory_is_told_from_losing_the_device() -> None:
    error = RuntimeError("CUDA error: out of memory")
    assert (is_out_of_memory(error), is_device_lost(error)) == (True, False)
    assert not is_device_lost(ValueError("CUDA error"))


def test_a_model_is_loaded_on_the_first_rung_that_has_memory_for_it(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Rung] = []

    def load_pipeline(directory: Path, plan: Plan, **_: Any) -> str:
        tried.append(plan.rung)
        if plan.rung in (Rung.RESIDENT, Rung.SLICING):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return "a pipeline"

    monkeypatch.setattr(starting, "load_pipeline", load_pipeline)
    plan = plan_for(checkpoint, GPU, precision="fp32", compile="off")
    pipeline, loaded_by, moves = starting.load_where_it_fits(checkpoint, plan, None, make_logger("test"))
    assert (pipeline, loaded_by.rung, moves) == ("a pipeline", Rung.MODEL_OFFLOAD, 2)
    assert tried == LADDER[:3]


def test_a_move_that_fails_ends_the_process_and_not_the_job(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def move_down(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr("gpu_service.engine.move_down", move_down)
    with pytest.raises(DeviceLostError, match="slicing"):
        engine.run(out_of_memory_in("unet", 1))
