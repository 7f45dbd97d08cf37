"""Carries a plan out: loads the pipeline as the plan says, and moves a loaded one to a lower rung."""

import gc
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from diffusers import AutoencoderKL, AutoencoderTiny, StableDiffusionXLPipeline
from diffusers.utils import logging as diffusers_logging

from gpu_service.plan import Attention, Device, MemoryFormat, Offload, Plan, Precision

DTYPES: Final = {Precision.FP16: torch.float16, Precision.BF16: torch.bfloat16, Precision.FP32: torch.float32}


def load_pipeline(directory: Path, plan: Plan, *, vae_directory: Path | None, gpu: torch.device) -> Any:
    """The Stable Diffusion XL pipeline of a diffusers directory, on the plan's rung.

    `vae_directory` replaces the model's own VAE. `gpu` is the device that the plan calls cuda.
    """
    # The worker's output is one JSON line an event; progress bars and hints of libraries are not for its readers.
    for library in (diffusers_logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    parts: dict[str, Any] = {}
    if vae_directory is not None:
        vae_class: Any = AutoencoderKL
        parts["vae"] = vae_class.from_pretrained(
            vae_directory, dtype=DTYPES[plan.precision], use_safetensors=True, local_files_only=True
        )
    pipeline_class: Any = StableDiffusionXLPipeline
    pipeline = pipeline_class.from_pretrained(
        directory,
        dtype=DTYPES[plan.precision],
        variant="fp16" if any(directory.glob("unet/*.fp16.*")) else None,
        use_safetensors=True,
        add_watermarker=False,
        local_files_only=True,
        **parts,
    )
    pipeline.set_progress_bar_config(disable=True)
    if plan.memory_format is MemoryFormat.CHANNELS_LAST:
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    if plan.attention is Attention.XFORMERS:
        pipeline.enable_xformers_memory_efficient_attention()
    if plan.fuse_qkv:
        pipeline.fuse_qkv_projections(unet=True, vae=False)
    if plan.device is Device.CUDA and plan.offload is Offload.NONE:
        pipeline.to(gpu)
    _save_memory(pipeline, plan, gpu)
    return pipeline


def move_down(pipeline: Any, before: Plan, plan: Plan, *, gpu: torch.device) -> None:
    """Put a pipeline that is loaded by the plan `before` on the lower rung that `plan` describes."""
    if before.fuse_qkv and not plan.fuse_qkv:
        pipeline.unfuse_qkv_projections(unet=True, vae=False)
        # Switching off leaves the fused weights where they are.
        for module in pipeline.unet.modules():
            for fused in ("to_qkv", "to_kv"):
                if hasattr(module, fused):
                    delattr(module, fused)
    if before.attention is Attention.XFORMERS and plan.attention is not Attention.XFORMERS:
        pipeline.disable_xformers_memory_efficient_attention()
    if plan.device is not before.device:
        pipeline.remove_all_hooks()
        pipeline.to("cpu", DTYPES[plan.precision])
    _save_memory(pipeline, plan, gpu)
    free_memory(gpu)


def free_memory(gpu: torch.device) -> None:
    """Give back what nobody refers to any more."""
    gc.collect()
    if gpu.type == "cuda":
        torch.cuda.empty_cache()


def _save_memory(pipeline: Any, plan: Plan, gpu: torch.device) -> None:
    if plan.vae_slicing:
        pipeline.vae.enable_slicing()
    if plan.vae_tiling:
        vae: Any = pipeline.vae
        vae.enable_tiling()
        if isinstance(pipeline.vae, AutoencoderTiny):
            # diffusers 0.42 takes it for granted that this kind of VAE shrinks the sides eightfold.
            vae.spatial_scale_factor = pipeline.vae_scale_factor
            vae.tile_latent_min_size = vae.tile_sample_min_size // pipeline.vae_scale_factor
    if plan.offload is Offload.MODEL:
        pipeline.enable_model_cpu_offload(device=gpu)
    elif plan.offload is Offload.SEQUENTIAL:
        pipeline.enable_sequential_cpu_offload(device=gpu)
