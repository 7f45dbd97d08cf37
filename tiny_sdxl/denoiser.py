"""The UNet and its noise schedule, and the training of the UNet together with the text encoders."""

# mypy: allow-untyped-calls
# (torch and diffusers leave these unannotated.)

import math
import random
from pathlib import Path
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTokenizer

from tiny_sdxl.dataset import BUCKETS, Bucket, load_captions
from tiny_sdxl.parallel import average_gradients, run_in_processes
from tiny_sdxl.progress import Progress
from tiny_sdxl.text import EMBEDDING_SIZE, POOLED_SIZE, build_text_encoders, encode_text, token_ids
from tiny_sdxl.vae import load_latents

_LEARNING_RATE = 1.2e-3
_WARMUP_STEPS = 100
_DECAY_FROM = 0.4
_EMA_DECAY = 0.9985
_MIN_SNR = 5.0
_SAVE_EVERY_STEPS = 200
_TIME_EMBEDDING_SIZE = 32
# Guidance compares with no conditioning at all (zeros, as the pipeline does by default) or with an empty text.
_ZEROED_SHARE = 0.05
_EMPTY_SHARE = 0.05
_SHARES = [bucket.share for bucket in BUCKETS]


def build_unet() -> Any:
    """SDXL's UNet in small: 3.1 million parameters, text and size conditioning as in the original."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(48, 64, 96),
        layers_per_block=1,
        transformer_layers_per_block=1,
        attention_head_dim=(3, 4, 6),
        cross_attention_dim=EMBEDDING_SIZE,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=_TIME_EMBEDDING_SIZE,
        projection_class_embeddings_input_dim=6 * _TIME_EMBEDDING_SIZE + POOLED_SIZE,
        norm_num_groups=16,
    )


def build_scheduler() -> Any:
    """SDXL's noise schedule, except that the model predicts velocity: build other schedulers `from_config` of it."""
    return EulerDiscreteScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )


def build_modules(tokenizer: CLIPTokenizer) -> nn.ModuleDict:
    """All that is trained together: `unet`, `text_encoder`, `text_encoder_2`."""
    first, second = build_text_encoders(tokenizer)
    return nn.ModuleDict({"unet": build_unet(), "text_encoder": first, "text_encoder_2": second})


def size_ids(bucket: Bucket, count: int) -> Tensor:
    """SDXL's size conditioning: original size, crop corner, target size, each as (height, width)."""
    row = [bucket.height, bucket.width, 0, 0, bucket.height, bucket.width]
    return torch.tensor([row] * count, dtype=torch.float32)


def _loss(
    modules: nn.ModuleDict, alphas: Tensor, latents: Tensor, ids: Tensor, sizes: Tensor, rng: torch.Generator
) -> Tensor:
    count = len(latents)
    noise = torch.randn(latents.shape, generator=rng)
    # Evenly spread timesteps vary less from batch to batch than drawn ones.
    spread = (torch.arange(count) + torch.rand(count, generator=rng)) / count
    timesteps = (spread * len(alphas)).long().clamp(max=len(alphas) - 1)
    alpha = alphas[timesteps].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    text = encode_text(modules["text_encoder"], modules["text_encoder_2"], ids)
    kept = (torch.rand(count, generator=rng) >= _ZEROED_SHARE).float()
    predicted = modules["unet"](
        noisy,
        timesteps,
        encoder_hidden_states=text.embeddings * kept.view(-1, 1, 1),
        added_cond_kwargs={"text_embeds": text.pooled * kept.view(-1, 1), "time_ids": sizes},
    ).sample
    # Min-SNR weighting for velocity, arXiv:2303.09556: easy, almost clean pictures do not drown the rest.
    snr = alpha / (1 - alpha)
    weight = snr.clamp(max=_MIN_SNR) / (snr + 1)
    loss: Tensor = (weight * (predicted.float() - velocity).square()).mean()
    return loss


def _learning_rate(step: int, steps: int) -> float:
    decay = max(0.0, (step / steps - _DECAY_FROM) / (1 - _DECAY_FROM))
    return _LEARNING_RATE * min(1.0, (step + 1) / _WARMUP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * decay))


def _train(rank: int, processes: int, data: Path, tokenizer_directory: Path, out: Path, steps: int) -> None:
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_directory)
    modules = build_modules(tokenizer)
    parameters = list(modules.parameters())
    averages = {name: value.detach().clone() for name, value in modules.state_dict().items()}
    optimizer = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-3)
    alphas = build_scheduler().alphas_cumprod.float()
    latents = {bucket.name: load_latents(data, bucket) for bucket in BUCKETS}
    ids = {bucket.name: token_ids(tokenizer, load_captions(data, bucket)).to(torch.int16) for bucket in BUCKETS}
    empty = token_ids(tokenizer, [""]).to(torch.int16)
    state_path, first_step = out / "state.pt", 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        modules.load_state_dict(state["modules"])
        optimizer.load_state_dict(state["optimizer"])
        averages, first_step = state["averages"], state["step"]
    progress, running = Progress("denoiser", steps, start=first_step), 0.0
    for step in range(first_step, steps):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(step, steps)
        # All processes take the same picture size, so that none waits for another.
        bucket = random.Random(step).choices(BUCKETS, _SHARES)[0]  # noqa: S311 (no secret)
        rng = torch.Generator().manual_seed(step * processes + rank)
        chosen = torch.randint(bucket.count, (bucket.batch,), generator=rng)
        texts = ids[bucket.name][chosen]
        texts[torch.rand(bucket.batch, generator=rng) < _EMPTY_SHARE] = empty
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
            sizes = size_ids(bucket, bucket.batch)
            loss = _loss(modules, alphas, latents[bucket.name][chosen].float(), texts.long(), sizes, rng)
        optimizer.zero_grad()
        loss.backward()
        average_gradients(parameters, processes)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        running = loss.item() if running == 0 else 0.98 * running + 0.02 * loss.item()
        if rank == 0:
            decay = min(_EMA_DECAY, (step + 1) / (step + 10))
            for name, value in modules.state_dict().items():
                averages[name].lerp_(value, 1 - decay) if value.is_floating_point() else averages[name].copy_(value)
            progress.show(step + 1, f"loss {running:.4f}")
            if (step + 1) % _SAVE_EVERY_STEPS == 0 or step + 1 == steps:
                _save(out, modules, optimizer, averages, step + 1)


def _save(
    out: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer, averages: dict[str, Tensor], step: int
) -> None:
    state = {"modules": modules.state_dict(), "optimizer": optimizer.state_dict(), "averages": averages, "step": step}
    torch.save(state, out / "state.partial.pt")
    (out / "state.partial.pt").replace(out / "state.pt")
    save_file({name: value.contiguous() for name, value in averages.items()}, out / "averages.safetensors")


def train_denoiser(data: Path, tokenizer_directory: Path, out: Path, processes: int, steps: int) -> None:
    """Train on the encoded set in `data`; `out` gets `state.pt`, from which it resumes, and `averages.safetensors`."""
    out.mkdir(parents=True, exist_ok=True)
    run_in_processes(processes, _train, data, tokenizer_directory, out, steps)


def load_denoiser(tokenizer: CLIPTokenizer, out: Path) -> nn.ModuleDict:
    """The averaged weights that `train_denoiser` left in `out`."""
    modules = build_modules(tokenizer)
    modules.load_state_dict(load_file(out / "averages.safetensors"))
    return modules.eval()
