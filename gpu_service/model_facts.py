"""Reads what the plan has to know of a model from its files, without loading it."""

import json
import math
import struct
from pathlib import Path
from typing import Any

from gpu_service.plan import ModelFacts


class ModelError(Exception):
    """The model can't be had or used; the text says what is wrong with it."""


class UnreachableError(ModelError):
    """The place that the model comes from can't be asked now."""


def read_model_facts(directory: Path) -> ModelFacts:
    """The facts of the diffusers directory of a Stable Diffusion XL model.

    Raises `ModelError` if it is none, or if any of its weights are not in safetensors files.
    """
    pipeline = _json(directory / "model_index.json").get("_class_name")
    if pipeline != "StableDiffusionXLPipeline":
        raise ModelError(f"{directory} holds a {pipeline}; a StableDiffusionXLPipeline is needed")
    unet, vae = _json(directory / "unet" / "config.json"), _json(directory / "vae" / "config.json")
    blocks = unet["block_out_channels"]
    # As diffusers does: the VAE halves the sides once for each of its blocks but the first. AutoencoderTiny writes them
    # under another name.
    vae_blocks = vae.get("block_out_channels") or vae["decoder_block_out_channels"]
    latent_px = 2 ** (len(vae_blocks) - 1)
    return ModelFacts(
        unet_parameters=_parameters(directory / "unet"),
        other_parameters=sum(_parameters(directory / part) for part in ("text_encoder", "text_encoder_2", "vae")),
        size_px=unet["sample_size"] * latent_px,
        channels=blocks[0],
        vae_overflows_fp16=bool(vae.get("force_upcast", False)),
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        raise ModelError(f"{file} is missing: a model is a directory in the diffusers layout") from None
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from None
    return content


def _parameters(part: Path) -> int:
    """Parameters of one part. A directory may hold several variants (fp16 beside fp32): the largest counts."""
    files = sorted(part.glob("*.safetensors"))
    if not files:
        others = ", ".join(file.name for file in part.glob("*") if file.suffix in (".bin", ".ckpt", ".pt", ".pth"))
        raise ModelError(f"{part} holds no .safetensors weights" + (f" ({others} could run code)" if others else ""))
    shards = [file for file in files if "-of-" in file.name]
    return sum(map(_header_parameters, shards)) if shards else max(map(_header_parameters, files))


def _header_parameters(file: Path) -> int:
    # The format: eight bytes of length, little-endian, then that much JSON.
    with file.open("rb") as content:
        try:
            (length,) = struct.unpack("<Q", content.read(8))
            header = json.loads(content.read(length))
        except (struct.error, ValueError, OverflowError, MemoryError):
            raise ModelError(f"{file} is not a safetensors file, or not a whole one") from None
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
