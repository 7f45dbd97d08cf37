"""The schedulers by the names that requests give them, and by the names that other tools show."""

from typing import Any, Final

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    UniPCMultistepScheduler,
)

from jobs.request import Scheduler

# SDXL shows artifacts in its last steps with the second-order solver, so the final one is an Euler step:
# https://github.com/huggingface/diffusers/pull/5541
_DPMPP_2M: Final = {"algorithm_type": "dpmsolver++", "solver_order": 2, "euler_at_final": True}

_MAKERS: Final[dict[Scheduler, tuple[Any, dict[str, Any]]]] = {
    Scheduler.EULER: (EulerDiscreteScheduler, {"use_karras_sigmas": False}),
    Scheduler.EULER_ANCESTRAL: (EulerAncestralDiscreteScheduler, {}),
    Scheduler.DPMPP_2M: (DPMSolverMultistepScheduler, {**_DPMPP_2M, "use_karras_sigmas": False}),
    Scheduler.DPMPP_2M_KARRAS: (DPMSolverMultistepScheduler, {**_DPMPP_2M, "use_karras_sigmas": True}),
    Scheduler.UNIPC: (UniPCMultistepScheduler, {}),
    # As in SDXL's own configuration: its latents are not bounded by 1, which DDIM would otherwise clip them to.
    Scheduler.DDIM: (DDIMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
    Scheduler.LCM: (LCMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
}

_LABELS: Final = {
    Scheduler.EULER: "Euler",
    Scheduler.EULER_ANCESTRAL: "Euler a",
    Scheduler.DPMPP_2M: "DPM++ 2M",
    Scheduler.DPMPP_2M_KARRAS: "DPM++ 2M Karras",
    Scheduler.UNIPC: "UniPC",
    Scheduler.DDIM: "DDIM",
    Scheduler.LCM: "LCM",
}


def build_scheduler(name: Scheduler, own: Any) -> Any:
    """A fresh scheduler `name` for a model whose own is `own`.

    Noise schedule, prediction type and timestep spacing come from the model's: they belong to its training.
    """
    scheduler_class, options = _MAKERS[name]
    return scheduler_class.from_config(own.config, **options)


def sampler_label(name: Scheduler | None, own: Any) -> str:
    """What AUTOMATIC1111 calls the scheduler; `own` is the model's, which runs where none is named."""
    if name is not None:
        return _LABELS[name]
    for candidate, (scheduler_class, options) in _MAKERS.items():
        karras = options.get("use_karras_sigmas", False)
        if type(own) is scheduler_class and bool(own.config.get("use_karras_sigmas", False)) == karras:
            return _LABELS[candidate]
    return type(own).__name__
