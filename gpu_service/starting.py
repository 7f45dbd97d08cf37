"""Gets the engine ready: model, facts, plan, pipeline, and the compiler in the background; times each part."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from aws_lambda_powertools import Logger

from gpu_service.cold_start import ColdStart, process_age_seconds
from gpu_service.compiling import Compiler
from gpu_service.device import read_facts
from gpu_service.engine import CUDA, Engine, is_out_of_memory, log_rung_lowered
from gpu_service.loading import free_memory, load_pipeline
from gpu_service.model import fetch_model
from gpu_service.model_facts import ModelError, read_model_facts
from gpu_service.plan import Compile, Device, DeviceFacts, Plan, Vae
from gpu_service.plan_wishes import Wishes
from gpu_service.planning import make_plan
from jobs.logs import ColdStartFields, Event, Fields, log_event

# The stock SDXL VAE, trained on so that fp16 does not overflow; an S3 prefix or a directory serves as well.
ENV_VAE_FIX_MODEL: Final = "GAMEFORGE_VAE_FIX_MODEL"
VAE_FIX_MODEL_DEFAULT: Final = "madebyollin/sdxl-vae-fp16-fix"


@dataclass(frozen=True)
class Started:
    """An engine that can work, and what it runs on."""

    engine: Engine
    facts: DeviceFacts


def start_engine(model: str, cache_directory: Path, environment: Mapping[str, str], logger: Logger) -> Started:
    """Fetch the model, choose the plan, load the pipeline. Readiness does not wait for compiling.

    Raises `ModelError` and `PlanError`.
    """
    process_seconds = process_age_seconds()
    fetched = fetch_model(model, cache_directory, logger)
    planned_from = time.monotonic()
    model_facts = read_model_facts(fetched.directory)
    facts = read_facts(model_facts.channels)
    plan = make_plan(facts, model_facts, Wishes.from_environment(environment))
    fields: Fields = {
        **plan.fields(),
        "device_name": facts.name,
        "memory_bytes": facts.memory_bytes,
        "compute_capability": facts.compute_capability,
        "threads": facts.threads,
        "cpu_bf16_speedup": round(facts.cpu_bf16_speedup, 2),
    }
    text = f"{facts.name}: {plan.precision}, {plan.attention}, compile {plan.compile}, rung {plan.rung}"
    if facts.gpu_problem:
        text += f" ({facts.gpu_problem})"
    log_event(logger, Event.DEVICE_PLAN, text, **fields)
    if plan.device is Device.CPU and facts.gpu_problem and torch.version.cuda is not None:
        # Built for a GPU and running without one: somebody pays for a GPU, or thinks so.
        log_event(logger, Event.GPU_UNUSABLE, f"Running on the CPU: {facts.gpu_problem}", warning=True)
    vae_directory = None
    if plan.vae is Vae.FP16_FIX:
        vae_directory = _fetch_vae(environment, cache_directory, logger)
    loaded_from = time.monotonic()
    pipeline, plan, out_of_memory_count = load_where_it_fits(fetched.directory, plan, vae_directory, logger)
    compile_from = time.monotonic()
    compiler = None
    if plan.compile is not Compile.OFF:
        compiler = Compiler(
            pipeline.unet, plan, directory=cache_directory / "compiled", device_name=facts.name, logger=logger
        )
        compiler.start()
    phases = ColdStartFields(
        process_seconds=round(process_seconds, 3),
        fetch_seconds=round(fetched.seconds, 3),
        plan_seconds=round(loaded_from - planned_from, 3),
        weights_seconds=round(compile_from - loaded_from, 3),
        # Only what it kept the start waiting for: compiling itself goes on in the background and has its own line.
        compile_seconds=round(time.monotonic() - compile_from, 3),
    )
    ColdStart(pipeline, phases, device=plan.device, logger=logger)
    engine = Engine(pipeline, plan, logger=logger, compiler=compiler)
    engine.out_of_memory_count = out_of_memory_count
    return Started(engine, facts)


def load_where_it_fits(
    directory: Path, plan: Plan, vae_directory: Path | None, logger: Logger
) -> tuple[Any, Plan, int]:
    """The pipeline, on the first rung that has memory for it; the plan for that rung; how many had not."""
    moves = 0
    while True:
        try:
            return load_pipeline(directory, plan, vae_directory=vae_directory, gpu=CUDA), plan, moves
        except Exception as error:
            lower = plan.lower()
            if lower is None or not is_out_of_memory(error):
                raise
            cause = str(error) or type(error).__name__
        # Outside of `except`, where the error's frames no longer keep alive what was loaded.
        moves += 1
        log_rung_lowered(logger, plan, lower, moves, cause)
        free_memory(CUDA)
        plan = lower


def _fetch_vae(environment: Mapping[str, str], cache_directory: Path, logger: Logger) -> Path | None:
    source = environment.get(ENV_VAE_FIX_MODEL) or VAE_FIX_MODEL_DEFAULT
    try:
        return fetch_model(source, cache_directory, logger).directory
    except ModelError as error:
        # The model's own VAE works as well; diffusers computes it in fp32, which takes more memory and time.
        text = f"Decoding in fp32, because the VAE for fp16 can't be had ({error}); {ENV_VAE_FIX_MODEL} names another"
        log_event(logger, Event.MODEL_FETCHED, text, warning=True)
        return None
