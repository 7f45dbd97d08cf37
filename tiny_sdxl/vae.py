"""The autoencoder between pictures and latents: how it is built, trained and used to encode the training set."""

# mypy: allow-untyped-calls
# (torch and diffusers leave these unannotated.)

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from torch.nn import functional

from tiny_sdxl.dataset import BUCKETS, Bucket, load_images
from tiny_sdxl.parallel import average_gradients, run_in_processes
from tiny_sdxl.progress import Progress

# (steps, crop in pixels, pictures of one process): small crops first, because they are cheap and teach most.
_STAGES = ((1000, 32, 32), (600, 64, 16))
_LEARNING_RATE = 2e-3
_SHARPENING_STEPS = 900
_SHARPENING_LEARNING_RATE = 1.2e-3
# What the denoiser leaves behind is noise of about this deviation, so the decoder learns to see past it.
_LATENT_NOISE = 0.06


def build_vae() -> Any:
    """An untrained `AutoencoderTiny`: W × H pixels become 4 channels of W/4 × H/4 (SDXL's own divides by 8)."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(32, 32, 32),
        num_encoder_blocks=(0, 2, 2),
        num_decoder_blocks=(2, 2, 1),
        latent_channels=4,
        scaling_factor=1.0,
    )


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 N × H × W × 3 to float N × 3 × H × W in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _random_crops(images: dict[str, np.ndarray], rng: np.random.Generator, pixels: int, batch: int) -> Tensor:
    crops = []
    for _ in range(batch):
        source = images["64x64"] if rng.random() < 0.7 else images["128x128"]
        picture = source[rng.integers(len(source))]
        top, left = (rng.integers(side - pixels + 1) for side in picture.shape[:2])
        crops.append(picture[top : top + pixels, left : left + pixels])
    return to_tensor(np.stack(crops))


def _picture_loss(pictures: Tensor, rebuilt: Tensor) -> Tensor:
    error = rebuilt - pictures
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + 2 * error.square().mean() + 0.5 * edges


def _spread_loss(latents: Tensor) -> Tensor:
    # The denoiser expects latents around zero with a deviation of one in every channel.
    return latents.mean((0, 2, 3)).square().mean() + (latents.std((0, 2, 3)) - 1).square().mean()


def _learning_rate(peak: float, step: int, steps: int) -> float:
    return peak * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / steps))


def _decibels(pictures: Tensor, rebuilt: Tensor) -> float:
    # The peak-to-peak range is 2, whose square is 4.
    return -10 * math.log10(functional.mse_loss(rebuilt, pictures).item() / 4)


def _noisy(latents: Tensor) -> Tensor:
    return latents + _LATENT_NOISE * torch.randn_like(latents)


def _channels_last(tensor: Tensor) -> Tensor:
    # The layout in which convolutions are fastest on a CPU.
    return tensor.contiguous(memory_format=torch.channels_last)


def _train(rank: int, processes: int, data: Path, out: Path) -> None:
    torch.manual_seed(0)
    vae = build_vae().to(memory_format=torch.channels_last)
    parameters = list(vae.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, weight_decay=1e-4)
    images = {bucket.name: load_images(data, bucket) for bucket in BUCKETS if bucket.name in ("64x64", "128x128")}
    rng = np.random.default_rng(rank + 1)
    total, step = sum(stage[0] for stage in _STAGES), 0
    progress = Progress("autoencoder", total)
    for steps, pixels, batch in _STAGES:
        for _ in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(_LEARNING_RATE, step, total)
            pictures = _channels_last(_random_crops(images, rng, pixels, batch))
            with torch.autocast("cpu", torch.bfloat16):
                latents = vae.encode(pictures).latents.float()
                rebuilt = vae.decode(_noisy(latents)).sample.float()
            loss = _picture_loss(pictures, rebuilt) + 0.05 * _spread_loss(latents)
            optimizer.zero_grad()
            loss.backward()
            average_gradients(parameters, processes)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            if rank == 0:
                progress.show(step, f"loss {loss.item():.4f}, {_decibels(pictures, rebuilt):.1f} dB, {pixels} px")
    if rank == 0:
        vae.to(memory_format=torch.contiguous_format).save_pretrained(out)


def train_vae(data: Path, out: Path, processes: int) -> None:
    """Train on the drawn set in `data` and save a diffusers directory in `out`."""
    run_in_processes(processes, _train, data, out)


def _encode(rank: int, processes: int, data: Path, vae_directory: Path) -> None:
    vae = AutoencoderTiny.from_pretrained(vae_directory).eval()
    for bucket in BUCKETS[rank::processes]:
        images = load_images(data, bucket)
        progress = Progress(f"encoding {bucket.name}", len(images))
        latents = np.empty((len(images), 4, bucket.height // 4, bucket.width // 4), np.float16)
        with torch.inference_mode():
            for first in range(0, len(images), 100):
                part = to_tensor(images[first : first + 100])
                latents[first : first + len(part)] = vae.encode(part).latents.numpy()
                progress.show(first + len(part))
        np.save(data / f"{bucket.name}.latents.npy", latents)


def encode_dataset(data: Path, vae_directory: Path, processes: int) -> None:
    """Write `{name}.latents.npy` (float16, count × 4 × height/4 × width/4) beside the pictures of every bucket."""
    run_in_processes(processes, _encode, data, vae_directory)


def load_latents(data: Path, bucket: Bucket) -> Tensor:
    """The encoded pictures of a bucket as float16, in their order."""
    return torch.from_numpy(np.load(data / f"{bucket.name}.latents.npy"))


def _sharpen(rank: int, processes: int, data: Path, vae_directory: Path, out: Path) -> None:
    torch.manual_seed(rank)
    vae: Any = AutoencoderTiny.from_pretrained(vae_directory)
    vae = vae.to(memory_format=torch.channels_last)
    parameters = list(vae.decoder.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=_SHARPENING_LEARNING_RATE, weight_decay=1e-4)
    # Whole sprites, three small batches to a large one.
    sources = [(load_images(data, bucket), load_latents(data, bucket)) for bucket in BUCKETS[:2]]
    rng = np.random.default_rng(rank)
    progress = Progress("decoder", _SHARPENING_STEPS)
    for step in range(_SHARPENING_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(_SHARPENING_LEARNING_RATE, step, _SHARPENING_STEPS)
        (images, latents), batch = (sources[1], 4) if step % 4 == 3 else (sources[0], 16)
        chosen = rng.integers(len(images), size=batch)
        pictures = _channels_last(to_tensor(images[chosen]))
        with torch.autocast("cpu", torch.bfloat16):
            rebuilt = vae.decode(_channels_last(_noisy(latents[chosen].float()))).sample.float()
        loss = _picture_loss(pictures, rebuilt)
        optimizer.zero_grad()
        loss.backward()
        average_gradients(parameters, processes)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if rank == 0:
            progress.show(step + 1, f"loss {loss.item():.4f}, {_decibels(pictures, rebuilt):.1f} dB")
    if rank == 0:
        vae.to(memory_format=torch.contiguous_format).save_pretrained(out)


def sharpen_decoder(data: Path, vae_directory: Path, out: Path, processes: int) -> None:
    """Train the decoder further on whole sprites and save the autoencoder in `out`.

    The encoder stays as it is, so latents that were encoded before remain right.
    """
    run_in_processes(processes, _sharpen, data, vae_directory, out)
