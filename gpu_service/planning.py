"""Chooses the device plan from what the device and the model have, and what the environment forces or forbids.

Options fight one another when they are switched on one by one, so they are chosen together, and here alone.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from gpu_service.plan import (
    OFFLOADS,
    Attention,
    Compile,
    Device,
    DeviceFacts,
    MemoryFormat,
    ModelFacts,
    Offload,
    Plan,
    Precision,
    Rung,
    Vae,
)
from gpu_service.plan_wishes import (
    ENV_ATTENTION,
    ENV_DEVICE,
    ENV_FUSE_QKV,
    ENV_MEMORY_FORMAT,
    ENV_OFFLOAD,
    ENV_PRECISION,
    ENV_VAE,
    ENV_VAE_SLICING,
    ENV_VAE_TILING,
    PlanError,
    Wishes,
)
from jobs.names import ENV_COMPILE
from jobs.request import IMAGES_MAX

# SDXL in fp16 at 1024 x 1024 takes 13.8 GB on a T4 (published), of which 7.0 GB are weights; the rest goes by the pixel
# and most of it to the VAE's decoder. The UNet's share, with the decoder sliced and tiled, is an estimate on the safe
# side. Neither was measured by us on a GPU; where they are wrong, the out-of-memory ladder finds out.
RESIDENT_BYTES_PER_PIXEL: Final = 6500
UNET_BYTES_PER_PIXEL: Final = 1500
VAE_TILE_BYTES: Final = 800_000_000
# The CUDA context and fragmentation take the rest.
USABLE_MEMORY: Final = 0.92
# On a CPU a batch pays as long as one picture does not fill the cores: 3.2 times at 8 pictures of 64 x 64 pixels.
CPU_BATCH_PIXELS_MAX: Final = 8 * 128 * 128
# bf16 has to gain this much in the probe before it is worth its rounding. Small UNets were measured to lose by it.
BF16_SPEEDUP_MIN: Final = 1.2
# A fused projection keeps the separate ones: about a quarter of the UNet again.
FUSED_QKV_SHARE_OF_UNET: Final = 0.25
# A small UNet spends its time between the repeated blocks and compiles whole in a minute: 1.5 times as fast, not 1.1.
SMALL_UNET_PARAMETERS: Final = 50_000_000
TRITON_CAPABILITY_MIN: Final = (7, 0)
BF16_CAPABILITY_MIN: Final = (8, 0)

Choice = TypeVar("Choice", bound=StrEnum | bool)


def make_plan(facts: DeviceFacts, model: ModelFacts, wishes: Wishes | None = None) -> Plan:
    """The plan for `model` on a device, with what the environment forces or forbids.

    Raises `PlanError` with the reason where a wish can't be met or two contradict each other.
    """
    wishes = wishes or Wishes({})
    no_gpu = {} if facts.kind is Device.CUDA else {Device.CUDA: facts.gpu_problem or "there is no usable GPU"}
    device = _pick(wishes, ENV_DEVICE, list(Device), no_gpu)
    precision = _pick(wishes, ENV_PRECISION, *_precisions(facts, model, device))
    rungs = _rungs(facts, model, wishes, device, precision)
    rung = rungs[0]
    offload = OFFLOADS.get(rung, Offload.NONE)
    attention = _pick(wishes, ENV_ATTENTION, list(Attention), _impossible_attention(facts, device))
    sliced = rung not in (Rung.RESIDENT, Rung.CPU)
    return Plan(
        device=device,
        rung=rung,
        rungs=rungs[1:],
        precision=precision,
        attention=attention,
        memory_format=_pick(wishes, ENV_MEMORY_FORMAT, list(MemoryFormat), {}),
        fuse_qkv=_pick(
            wishes, ENV_FUSE_QKV, *_fused_qkv(facts, model, device, precision, attention, offload, rung=rung)
        ),
        vae=_pick(wishes, ENV_VAE, *_vaes(model, precision)),
        vae_slicing=_pick(wishes, ENV_VAE_SLICING, [sliced, not sliced], {}),
        vae_tiling=_pick(wishes, ENV_VAE_TILING, [sliced, not sliced], {}),
        compile=_pick(wishes, ENV_COMPILE, *_compiles(facts, model, device, offload)),
        offload=offload,
        batch_pixels_max=_batch_pixels(facts, model, device, precision, rung),
        batch_images_max=wishes.batch_limit or IMAGES_MAX,
    )


def _pick(wishes: Wishes, option: str, preference: Sequence[Choice], impossible: Mapping[Choice, str]) -> Choice:
    """The forced value if it is possible, else the first that is neither impossible nor forbidden."""
    for value in preference:
        if wishes.forces(option, value):
            if value in impossible:
                raise PlanError(f"{option}={wishes.text(value)} can't be had: {impossible[value]}")
            return value
    for value in preference:
        if value not in impossible and not wishes.forbids(option, value):
            return value
    reasons = "; ".join(f"{wishes.text(value)}: {impossible.get(value, 'forbidden')}" for value in preference)
    raise PlanError(f"{option} leaves nothing to choose ({reasons})")


def _precisions(facts: DeviceFacts, model: ModelFacts, device: Device) -> tuple[list[Precision], dict[Precision, str]]:
    if device is Device.CPU:
        impossible = {Precision.FP16: "CPUs compute fp16 in software; use bf16 or fp32"}
        if facts.cpu_bf16_speedup >= BF16_SPEEDUP_MIN and model.unet_parameters >= SMALL_UNET_PARAMETERS:
            return [Precision.BF16, Precision.FP32, Precision.FP16], impossible
        return [Precision.FP32, Precision.BF16, Precision.FP16], impossible
    order = [Precision.FP16, Precision.BF16, Precision.FP32]
    if facts.compute_capability is not None and facts.compute_capability < BF16_CAPABILITY_MIN:
        return order, {Precision.BF16: f"{facts.name} has no bf16 arithmetic (it needs compute capability 8.0)"}
    return order, {}


def _rungs(
    facts: DeviceFacts, model: ModelFacts, wishes: Wishes, device: Device, precision: Precision
) -> tuple[Rung, ...]:
    """The ladder from the first rung that fits to the last one that is allowed."""
    if device is Device.CPU:
        for value in (Offload.MODEL, Offload.SEQUENTIAL):
            if wishes.forces(ENV_OFFLOAD, value):
                raise PlanError(f"{ENV_OFFLOAD}={value} can't be had: there is no GPU to keep weights off")
        return (Rung.CPU,)
    forced = next((value for value in Offload if wishes.forces(ENV_OFFLOAD, value)), None)
    ladder = [Rung.RESIDENT, Rung.SLICING, Rung.MODEL_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD]
    if forced is Offload.NONE:
        ladder = [Rung.RESIDENT, Rung.SLICING]
    elif forced is not None:
        ladder = ladder[2:] if forced is Offload.MODEL else ladder[3:]
    ladder = [rung for rung in ladder if not wishes.forbids(ENV_OFFLOAD, OFFLOADS.get(rung, Offload.NONE))]
    if not ladder:
        raise PlanError(f"{ENV_OFFLOAD} leaves nothing to choose")
    if not (wishes.forces(ENV_DEVICE, Device.CUDA) or wishes.forbids(ENV_DEVICE, Device.CPU)):
        ladder.append(Rung.CPU)
    usable = facts.memory_bytes * USABLE_MEMORY
    pixels = model.size_px**2
    scale = precision.bytes / 2
    needs = {
        Rung.RESIDENT: model.weight_bytes(precision) + pixels * RESIDENT_BYTES_PER_PIXEL * scale,
        Rung.SLICING: model.weight_bytes(precision) + (pixels * UNET_BYTES_PER_PIXEL + VAE_TILE_BYTES) * scale,
        Rung.MODEL_OFFLOAD: model.unet_parameters * precision.bytes + pixels * UNET_BYTES_PER_PIXEL * scale,
    }
    if forced is None:
        while len(ladder) > 1 and needs.get(ladder[0], 0) > usable and ladder[1] is not Rung.CPU:
            ladder.pop(0)
    return tuple(ladder)


def _impossible_attention(facts: DeviceFacts, device: Device) -> dict[Attention, str]:
    if device is Device.CPU:
        return {Attention.XFORMERS: "xFormers' kernels run on GPUs only"}
    if "xformers" not in facts.packages:
        return {Attention.XFORMERS: "the package xformers does not import here"}
    return {}


def _fused_qkv(
    facts: DeviceFacts,
    model: ModelFacts,
    device: Device,
    precision: Precision,
    attention: Attention,
    offload: Offload,
    *,
    rung: Rung,
) -> tuple[list[bool], dict[bool, str]]:
    impossible = {}
    if attention is Attention.XFORMERS:
        impossible = {True: "diffusers' fused projections replace xFormers by SDPA; choose one of them"}
    elif offload is not Offload.NONE:
        impossible = {True: "the fused weights would take the memory that offloading saves"}
    spare = facts.memory_bytes * USABLE_MEMORY - model.weight_bytes(precision)
    spare -= model.size_px**2 * RESIDENT_BYTES_PER_PIXEL + model.unet_parameters * 2 * FUSED_QKV_SHARE_OF_UNET
    # On a CPU it was measured to gain nothing.
    pays = device is Device.CUDA and rung is Rung.RESIDENT and spare > 0
    return [pays, not pays], impossible


def _vaes(model: ModelFacts, precision: Precision) -> tuple[list[Vae], dict[Vae, str]]:
    if not model.vae_overflows_fp16:
        return [Vae.MODEL, Vae.FP16_FIX], {Vae.FP16_FIX: "this model's own VAE does not overflow in fp16"}
    if precision is not Precision.FP16:
        return [Vae.MODEL, Vae.FP16_FIX], {}
    return [Vae.FP16_FIX, Vae.MODEL], {}


def _compiles(
    facts: DeviceFacts, model: ModelFacts, device: Device, offload: Offload
) -> tuple[list[Compile], dict[Compile, str]]:
    reason = ""
    if offload is not Offload.NONE:
        reason = f"{offload} offload moves weights between CPU and GPU, and compiled code can't follow"
    elif device is Device.CUDA and "triton" not in facts.packages:
        reason = "the package triton does not import here"
    elif device is Device.CUDA and (facts.compute_capability or (0, 0)) < TRITON_CAPABILITY_MIN:
        reason = f"{facts.name} is older than Triton supports (compute capability 7.0)"
    elif not facts.has_compiler:
        reason = "there is no C++ compiler here"
    order = [Compile.REGIONAL, Compile.FULL, Compile.OFF]
    if model.unet_parameters < SMALL_UNET_PARAMETERS:
        order = [Compile.FULL, Compile.REGIONAL, Compile.OFF]
    return order, {Compile.REGIONAL: reason, Compile.FULL: reason} if reason else {}


def _batch_pixels(facts: DeviceFacts, model: ModelFacts, device: Device, precision: Precision, rung: Rung) -> int:
    if device is Device.CPU:
        return CPU_BATCH_PIXELS_MAX
    usable = facts.memory_bytes * USABLE_MEMORY
    scale = precision.bytes / 2
    if rung is Rung.RESIDENT:
        return max(0, int((usable - model.weight_bytes(precision)) / (RESIDENT_BYTES_PER_PIXEL * scale)))
    if rung is Rung.SLICING:
        spare = usable - model.weight_bytes(precision) - VAE_TILE_BYTES * scale
        return max(0, int(spare / (UNET_BYTES_PER_PIXEL * scale)))
    # Weights come and go: one picture at a time.
    return 0
