"""The device plan: every option the pipeline runs with, and the plans below it for when memory runs out.

Plain data, no PyTorch: a plan for a card that nobody here owns can be made and read anywhere. `gpu_service.planning`
chooses a plan, `gpu_service.loading` carries it out.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from jobs.logs import Fields


class Device(StrEnum):
    """Where the pipeline runs."""

    CUDA = "cuda"
    CPU = "cpu"


class Precision(StrEnum):
    """The floating-point type of weights and activations."""

    FP16 = "fp16"
    BF16 = "bf16"
    FP32 = "fp32"

    @property
    def bytes(self) -> int:
        """Bytes a parameter."""
        return 4 if self is Precision.FP32 else 2


class Attention(StrEnum):
    """The attention kernels: xFormers', or PyTorch's `scaled_dot_product_attention`."""

    XFORMERS = "xformers"
    SDPA = "sdpa"


class MemoryFormat(StrEnum):
    """How convolutions lay out their tensors."""

    CHANNELS_LAST = "channels_last"
    CONTIGUOUS = "contiguous"


class Vae(StrEnum):
    """The model's own VAE (diffusers upcasts it where fp16 would overflow), or the one that was made for fp16."""

    MODEL = "model"
    FP16_FIX = "fp16-fix"


class Compile(StrEnum):
    """`torch.compile` of the UNet's repeated blocks, of the whole UNet, or none."""

    REGIONAL = "regional"
    FULL = "full"
    OFF = "off"


class Offload(StrEnum):
    """What waits in main memory until the GPU needs it: nothing, whole models, or single layers."""

    NONE = "none"
    MODEL = "model"
    SEQUENTIAL = "sequential"


class Rung(StrEnum):
    """The steps of the out-of-memory ladder, from the fastest to the one that always fits."""

    RESIDENT = "resident"
    SLICING = "slicing"
    MODEL_OFFLOAD = "model_offload"
    SEQUENTIAL_OFFLOAD = "sequential_offload"
    CPU = "cpu"


# Compiling one picture size takes a minute or two of a core: it has to be asked for more than once.
USES_BEFORE_COMPILING: Final = 2
OFFLOADS: Final = {Rung.MODEL_OFFLOAD: Offload.MODEL, Rung.SEQUENTIAL_OFFLOAD: Offload.SEQUENTIAL}


@dataclass(frozen=True)
class DeviceFacts:
    """What the machine has, as `gpu_service.device` found it."""

    kind: Device
    name: str
    # Free memory before the model is loaded: the GPU's, or on a CPU the machine's.
    memory_bytes: int
    threads: int
    compute_capability: tuple[int, int] | None = None
    # Of the optional ones (xformers, triton), those that import.
    packages: frozenset[str] = frozenset()
    # `torch.compile` builds its kernels with a C++ compiler, and Triton its launchers with a C compiler.
    has_compiler: bool = True
    # How many times as fast bf16 ran as fp32 on layers as wide as the model's; 0 where the CPU has no such arithmetic.
    cpu_bf16_speedup: float = 0.0
    # Why there is no GPU to use, where there is none.
    gpu_problem: str | None = None


@dataclass(frozen=True)
class ModelFacts:
    """What a plan has to know of a model, read from its files without loading it."""

    unet_parameters: int
    other_parameters: int
    # Side of the square picture it was trained for, in pixels.
    size_px: int
    # The channels of the UNet's first block.
    channels: int
    # The stock SDXL VAE turns black in fp16; its configuration says so.
    vae_overflows_fp16: bool

    def weight_bytes(self, precision: Precision) -> int:
        """All weights, in bytes."""
        return (self.unet_parameters + self.other_parameters) * precision.bytes


@dataclass(frozen=True)
class Plan:
    """Every option, and the rungs that are left below this one."""

    device: Device
    rung: Rung
    rungs: tuple[Rung, ...]
    precision: Precision
    attention: Attention
    memory_format: MemoryFormat
    fuse_qkv: bool
    vae: Vae
    vae_slicing: bool
    vae_tiling: bool
    compile: Compile
    offload: Offload
    # Pixels that may be denoised together, and pictures at most, whatever their size.
    batch_pixels_max: int
    batch_images_max: int

    def batch_limit(self, width: int, height: int) -> int:
        """Pictures of `width` x `height` pixels to denoise together; at least 1."""
        return max(1, min(self.batch_images_max, self.batch_pixels_max // (width * height)))

    def lower(self) -> "Plan | None":
        """The plan one rung down, with batches of 1 because memory has proved tight; None at the lowest."""
        if not self.rungs:
            return None
        rung, *rest = self.rungs
        below = replace(self, rung=rung, rungs=tuple(rest), batch_images_max=1, vae_slicing=True, vae_tiling=True)
        if rung in OFFLOADS:
            return replace(below, offload=OFFLOADS[rung], compile=Compile.OFF, fuse_qkv=False)
        if rung is Rung.CPU and self.device is Device.CUDA:
            return replace(
                below,
                device=Device.CPU,
                precision=Precision.FP32,
                attention=Attention.SDPA,
                fuse_qkv=False,
                compile=Compile.OFF,
                offload=Offload.NONE,
            )
        return below

    def fields(self) -> Fields:
        """The plan by the names of its options, for the log and `/gpu`."""
        return Fields(
            device=self.device,
            rung=self.rung,
            rungs=self.rungs,
            precision=self.precision,
            attention=self.attention,
            memory_format=self.memory_format,
            fuse_qkv=self.fuse_qkv,
            vae=self.vae,
            vae_slicing=self.vae_slicing,
            vae_tiling=self.vae_tiling,
            compile=self.compile,
            offload=self.offload,
            batch_pixels_max=self.batch_pixels_max,
            batch_images_max=self.batch_images_max,
        )
