"""The device plan: what each kind of machine gets, what the environment may change, and what is refused."""

from dataclasses import replace

import pytest

from gpu_service.plan import Attention, Compile, Device, DeviceFacts, ModelFacts, Offload, Precision, Rung, Vae
from gpu_service.plan_wishes import PlanError, Wishes
from gpu_service.planning import make_plan

SDXL = ModelFacts(
    unet_parameters=2_567_463_684,
    other_parameters=901_464_715,
    size_px=1024,
    channels=320,
    vae_overflows_fp16=True,
)
TINY = ModelFacts(
    unet_parameters=3_100_000, other_parameters=560_000, size_px=64, channels=48, vae_overflows_fp16=False
)
PACKAGES = frozenset({"xformers", "triton"})
T4 = DeviceFacts(
    kind=Device.CUDA,
    name="Tesla T4",
    memory_bytes=15_500_000_000,
    threads=4,
    compute_capability=(7, 5),
    packages=PACKAGES,
)
A10G = replace(T4, name="NVIDIA A10G", memory_bytes=23_500_000_000, compute_capability=(8, 6))
L4 = replace(T4, name="NVIDIA L4", memory_bytes=23_200_000_000, compute_capability=(8, 9))
CARD_6_GB = replace(T4, name="NVIDIA GeForce RTX 2060", memory_bytes=5_900_000_000)
CARD_8_GB = replace(T4, name="NVIDIA GeForce RTX 2070", memory_bytes=8_200_000_000)
CPU = DeviceFacts(kind=Device.CPU, name="AMD EPYC", memory_bytes=16_000_000_000, threads=4)


def wish(**options: str) -> Wishes:
    return Wishes.from_environment({f"GAMEFORGE_{name.upper()}": value for name, value in options.items()})


def test_a_t4_holds_sdxl_one_picture_at_a_time() -> None:
    plan = make_plan(T4, SDXL)
    assert (plan.rung, plan.precision, plan.attention) == (Rung.RESIDENT, Precision.FP16, Attention.XFORMERS)
    assert (plan.vae, plan.compile, plan.offload) == (Vae.FP16_FIX, Compile.REGIONAL, Offload.NONE)
    assert (plan.vae_slicing, plan.vae_tiling, plan.fuse_qkv) == (False, False, False)
    assert plan.rungs == (Rung.SLICING, Rung.MODEL_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD, Rung.CPU)
    assert (plan.batch_limit(1024, 1024), plan.batch_limit(512, 512)) == (1, 4)


@pytest.mark.parametrize("card", [A10G, L4])
def test_24_gb_hold_two(card: DeviceFacts) -> None:
    plan = make_plan(card, SDXL)
    assert (plan.rung, plan.batch_limit(1024, 1024)) == (Rung.RESIDENT, 2)


def test_without_xformers_attention_is_pytorchs_own_with_fused_projections_where_there_is_room() -> None:
    facts = replace(A10G, packages=frozenset({"triton"}))
    assert (make_plan(facts, SDXL).attention, make_plan(facts, SDXL).fuse_qkv) == (Attention.SDPA, True)
    assert make_plan(replace(facts, memory_bytes=T4.memory_bytes), SDXL).fuse_qkv is False


def test_small_cards_begin_further_down_and_do_not_compile() -> None:
    eight = make_plan(CARD_8_GB, SDXL)
    assert (eight.rung, eight.offload, eight.compile) == (Rung.MODEL_OFFLOAD, Offload.MODEL, Compile.OFF)
    six = make_plan(CARD_6_GB, SDXL)
    assert (six.rung, six.offload, six.rungs) == (Rung.SEQUENTIAL_OFFLOAD, Offload.SEQUENTIAL, (Rung.CPU,))
    assert (six.vae_slicing, six.vae_tiling, six.batch_limit(64, 64)) == (True, True, 1)


def test_a_small_model_is_resident_on_a_small_card() -> None:
    plan = make_plan(CARD_6_GB, TINY)
    assert (plan.rung, plan.vae, plan.compile) == (Rung.RESIDENT, Vae.MODEL, Compile.FULL)


def test_a_cpu_computes_in_the_precision_that_was_measured_to_be_faster() -> None:
    plain = make_plan(CPU, SDXL)
    assert (plain.device, plain.rung, plain.rungs) == (Device.CPU, Rung.CPU, ())
    assert (plain.precision, plain.attention, plain.vae) == (Precision.FP32, Attention.SDPA, Vae.MODEL)
    assert make_plan(replace(CPU, cpu_bf16_speedup=1.7), SDXL).precision is Precision.BF16
    assert make_plan(replace(CPU, cpu_bf16_speedup=1.1), SDXL).precision is Precision.FP32


def test_a_cpu_batches_small_pictures_only() -> None:
    plan = make_plan(CPU, TINY)
    assert [plan.batch_limit(px, px) for px in (64, 128, 256, 1024)] == [8, 8, 2, 1]


def test_nothing_compiles_without_a_compiler() -> None:
    assert make_plan(replace(CPU, has_compiler=False), TINY).compile is Compile.OFF
    assert make_plan(replace(T4, packages=frozenset({"xformers"})), SDXL).compile is Compile.OFF


def test_every_rung_below_is_a_whole_plan() -> None:
    plan = make_plan(T4, SDXL)
    seen = []
    while (below := plan.lower()) is not None:
        plan = below
        seen.append((plan.rung, plan.offload, plan.vae_tiling, plan.compile, plan.batch_limit(64, 64)))
    assert seen == [
        (Rung.SLICING, Offload.NONE, True, Compile.REGIONAL, 1),
        (Rung.MODEL_OFFLOAD, Offload.MODEL, True, Compile.OFF, 1),
        (Rung.SEQUENTIAL_OFFLOAD, Offload.SEQUENTIAL, True, Compile.OFF, 1),
        (Rung.CPU, Offload.NONE, True, Compile.OFF, 1),
    ]
    assert (plan.device, plan.precision, plan.attention) == (Device.CPU, Precision.FP32, Attention.SDPA)


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"precision": "fp32"}, "precision", Precision.FP32),
        ({"precision": "not-fp16"}, "precision", Precision.BF16),
        ({"attention": "not-xformers"}, "attention", Attention.SDPA),
        ({"compile": "off"}, "compile", Compile.OFF),
        ({"vae": "model"}, "vae", Vae.MODEL),
        ({"vae_slicing": "on"}, "vae_slicing", True),
        ({"offload": "model"}, "rung", Rung.MODEL_OFFLOAD),
        ({"offload": "sequential"}, "offload", Offload.SEQUENTIAL),
        ({"offload": "none"}, "rungs", (Rung.SLICING, Rung.CPU)),
        ({"offload": "not-model"}, "rungs", (Rung.SLICING, Rung.SEQUENTIAL_OFFLOAD, Rung.CPU)),
        ({"device": "cuda"}, "rungs", (Rung.SLICING, Rung.MODEL_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD)),
        ({"device": "not-cpu"}, "rungs", (Rung.SLICING, Rung.MODEL_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD)),
        ({"device": "not-cuda"}, "device", Device.CPU),
        ({"memory_format": "contiguous"}, "memory_format", "contiguous"),
        ({"batch_limit": "1"}, "batch_images_max", 1),
    ],
)
def test_the_environment_forces_and_forbids(options: dict[str, str], field: str, value: object) -> None:
    assert getattr(make_plan(A10G, SDXL, wish(**options)), field) == value


@pytest.mark.parametrize(
    ("facts", "options", "reason"),
    [
        (T4, {"precision": "bf16"}, "Tesla T4 has no bf16"),
        (CPU, {"precision": "fp16"}, "CPUs compute fp16 in software"),
        (CPU, {"device": "cuda"}, "there is no usable GPU"),
        (CPU, {"attention": "xformers"}, "GPUs only"),
        (CPU, {"offload": "model"}, "there is no GPU"),
        (replace(T4, packages=frozenset()), {"attention": "xformers"}, "does not import"),
        (T4, {"attention": "xformers", "fuse_qkv": "on"}, "replace xFormers by SDPA"),
        (T4, {"offload": "model", "compile": "regional"}, "compiled code can't follow"),
        (T4, {"offload": "sequential", "compile": "full"}, "compiled code can't follow"),
        (CARD_6_GB, {"compile": "regional"}, "sequential offload moves weights"),
        (replace(CPU, has_compiler=False), {"compile": "regional"}, "no C++ compiler"),
    ],
)
def test_a_contradiction_is_refused_with_its_reason(facts: DeviceFacts, options: dict[str, str], reason: str) -> None:
    with pytest.raises(PlanError, match="GAMEFORGE_") as refused:
        make_plan(facts, SDXL, wish(**options))
    assert reason in str(refused.value)


@pytest.mark.parametrize("options", [{"precision": "int8"}, {"compile": "not-fast"}, {"batch_limit": "0"}])
def test_a_value_that_does_not_exist_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(PlanError, match="must be"):
        wish(**options)
