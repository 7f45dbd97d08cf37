"""Makes the tiny SDXL from nothing: draws the sprites, trains the models and writes a diffusers directory."""

# mypy: allow-untyped-calls
# (torch and diffusers leave these unannotated.)

import argparse
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, StableDiffusionXLPipeline
from transformers import CLIPTokenizer

from tiny_sdxl import CHECKPOINT_DIR
from tiny_sdxl.dataset import BUCKETS, draw_dataset, load_captions
from tiny_sdxl.denoiser import build_scheduler, load_denoiser, train_denoiser
from tiny_sdxl.judge import JUDGE_PATH
from tiny_sdxl.judge_training import train_judge
from tiny_sdxl.tokenizer import build_tokenizer
from tiny_sdxl.vae import encode_dataset, sharpen_decoder, train_vae

DEFAULT_WORK_DIR = Path("build/tiny_sdxl")
_DENOISER_STEPS = 3600
_SHARP_VAE = "vae-sharp"


def export_checkpoint(work: Path, out: Path) -> None:
    """Assemble what was trained in `work` into a float16 pipeline directory `out`; a model card there stays."""
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    modules = load_denoiser(tokenizer, work / "denoiser")
    pipeline: Any = StableDiffusionXLPipeline(
        vae=AutoencoderTiny.from_pretrained(work / _SHARP_VAE),
        text_encoder=modules["text_encoder"],
        text_encoder_2=modules["text_encoder_2"],
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=modules["unet"],
        scheduler=build_scheduler(),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    pipeline.to(dtype=torch.float16)
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.iterdir():
        if stale.is_dir():
            shutil.rmtree(stale)
    pipeline.save_pretrained(out, safe_serialization=True)
    for path in (out / "model_index.json", *out.glob("*/*config.json")):
        # A component remembers the directory that it was loaded from.
        _remove_setting(path, "_name_or_path")
    # AutoencoderTiny writes this one itself, and warns about it when it reads it.
    _remove_setting(out / "vae" / "config.json", "block_out_channels")
    for path in out.rglob("*.safetensors"):
        path.chmod(0o644)


def _remove_setting(path: Path, name: str) -> None:
    settings = json.loads(path.read_text())
    settings.pop(name, None)
    path.write_text(json.dumps(settings, indent=2) + "\n")


def _phases(work: Path, processes: int, steps: int) -> list[tuple[str, Path, Callable[[], None]]]:
    data, tokenizer, denoiser, judge = (work / name for name in ("data", "tokenizer", "denoiser", "judge.safetensors"))
    vae, sharp_vae = work / "vae", work / _SHARP_VAE

    def make_tokenizer() -> None:
        captions = (sentence for bucket in BUCKETS for sentence in load_captions(data, bucket))
        build_tokenizer(captions).save_pretrained(tokenizer)

    def make_denoiser() -> None:
        train_denoiser(data, tokenizer, denoiser, processes, steps)
        (denoiser / "done").touch()

    last = BUCKETS[-1].name
    return [
        ("sprites", data / f"{last}.json", lambda: draw_dataset(data, processes)),
        ("tokenizer", tokenizer / "tokenizer.json", make_tokenizer),
        ("judge", judge, lambda: train_judge(judge)),
        ("autoencoder", vae / "config.json", lambda: train_vae(data, vae, processes)),
        ("latents", data / f"{last}.latents.npy", lambda: encode_dataset(data, vae, processes)),
        ("decoder", sharp_vae / "config.json", lambda: sharpen_decoder(data, vae, sharp_vae, processes)),
        ("denoiser", denoiser / "done", make_denoiser),
    ]


def main(arguments: list[str] | None = None) -> None:
    """Run the phases that are not done yet; a run that was stopped goes on where it was."""
    parser = argparse.ArgumentParser(prog="python -m tiny_sdxl.train", description=__doc__)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK_DIR, help="directory for everything in between")
    parser.add_argument("--out", type=Path, help="directory of the checkpoint (default: WORK/checkpoint)")
    parser.add_argument("--install", action="store_true", help="replace the checkpoint and judge of the repository")
    parser.add_argument("--fresh", action="store_true", help="forget earlier phases and begin anew")
    parser.add_argument("--processes", type=int, default=2, help="one-thread processes to train with (default: 2)")
    parser.add_argument("--steps", type=int, default=_DENOISER_STEPS, help="training steps of the denoiser")
    options = parser.parse_args(arguments)
    work: Path = options.work
    if options.fresh and work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    # What needs more than one core starts processes of its own; waiting threads would only spin.
    torch.set_num_threads(1)
    started_at = time.monotonic()
    phases = _phases(work, options.processes, options.steps)
    for number, (name, result, run) in enumerate(phases, 1):
        if result.exists():
            print(f"[{number}/{len(phases)}] {name}: done before")
            continue
        print(f"[{number}/{len(phases)}] {name}", flush=True)
        phase_started_at = time.monotonic()
        run()
        print(f"[{number}/{len(phases)}] {name}: {time.monotonic() - phase_started_at:.0f} s", flush=True)
    out: Path = CHECKPOINT_DIR if options.install else options.out or work / "checkpoint"
    export_checkpoint(work, out)
    if options.install:
        shutil.copyfile(work / "judge.safetensors", JUDGE_PATH)
    size = sum(path.stat().st_size for path in out.rglob("*.safetensors"))
    print(f"{out}: {size / 1e6:.1f} MB of weights, {(time.monotonic() - started_at) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
