"""Compiling in the background: jobs never wait for it, pictures stay the same, and the next start finds it done."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from gpu_service.compiling import Compiler
from gpu_service.engine import Engine
from gpu_service.plan import USES_BEFORE_COMPILING, Plan
from jobs.logs import make_logger
from tests.gpu_service.conftest import CPU, CPU_AS_GPU, draw, plan_for

# Of 255: what rounding in another order may change in a finished picture.
TOLERANCE = 3 / 255
PATIENCE_SECONDS = 300


def engine_with_compiler(pipeline: Any, plan: Plan, directory: Path) -> tuple[Engine, Compiler]:
    logger = make_logger("test")
    compiler = Compiler(pipeline.unet, plan, directory=directory, device_name="test", logger=logger)
    compiler.start()
    return Engine(pipeline, plan, logger=logger, compiler=compiler, gpu=CPU_AS_GPU), compiler


def wait_until_warm(compiler: Compiler, sizes: int = 1) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(compiler.warm) < sizes:
        assert time.monotonic() < deadline, "nothing was compiled in time"
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def _as_fast_as_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine the compiler stands back, and a test would wait for it.
    monkeypatch.setattr("gpu_service.compiling.NICENESS", 0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


def test_the_switch_to_compiled_code_changes_no_picture(
    load: Callable[[Plan], Any], checkpoint: Path, directory: Path
) -> None:
    plan = plan_for(checkpoint, CPU, compile="regional")
    engine, compiler = engine_with_compiler(load(plan), plan, directory)
    eager = [engine.run(draw) for _ in range(USES_BEFORE_COMPILING)]
    wait_until_warm(compiler)

    compiled_before = counters["stats"]["calls_captured"]
    switched = engine.run(draw)
    again = engine.run(draw)
    assert counters["stats"]["calls_captured"] == compiled_before, "a job had to wait for the compiler"
    assert counters["stats"]["calls_captured"] > 0
    assert (switched - eager[0]).abs().max() <= TOLERANCE
    assert torch.equal(switched, again)
    compiler.close()
    assert torch.equal(engine.run(draw), eager[0])


def test_a_job_that_runs_while_compiling_ends_stays_eager(
    load: Callable[[Plan], Any], checkpoint: Path, directory: Path
) -> None:
    plan = plan_for(checkpoint, CPU, compile="regional")
    pipeline = load(plan)
    plain = draw(pipeline)
    # The last test left its sizes behind: this process compiles them from its start.
    engine, compiler = engine_with_compiler(pipeline, plan, directory)

    def draw_after_compiling(pipeline: Any) -> torch.Tensor:
        wait_until_warm(compiler)
        return draw(pipeline)

    assert torch.equal(engine.run(draw_after_compiling), plain)
    compiler.close()


def test_the_next_start_loads_what_was_compiled(load: Callable[[Plan], Any], checkpoint: Path, directory: Path) -> None:
    # What PyTorch remembers in this process; the directory is what the next one has.
    torch.compiler.reset()
    counters.clear()
    plan = plan_for(checkpoint, CPU, compile="regional")
    _, compiler = engine_with_compiler(load(plan), plan, directory)
    wait_until_warm(compiler)
    compiler.close()
    assert counters["inductor"]["fxgraph_cache_hit"] > 0
    assert counters["inductor"]["fxgraph_cache_miss"] == 0


def test_a_compiler_that_fails_leaves_the_worker_eager(
    load: Callable[[Plan], Any], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(compiler: Compiler, size: object) -> None:
        raise RuntimeError("no space left on device")

    monkeypatch.setattr(Compiler, "_compile", fail)
    plan = plan_for(checkpoint, CPU, compile="regional")
    engine, compiler = engine_with_compiler(load(plan), plan, tmp_path)
    pictures = [engine.run(draw) for _ in range(USES_BEFORE_COMPILING)]
    compiler.join(PATIENCE_SECONDS)
    assert not compiler.is_working
    assert torch.equal(engine.run(draw), pictures[0])
