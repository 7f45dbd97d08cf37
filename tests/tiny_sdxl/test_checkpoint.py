"""The committed checkpoint is small, safe, complete, and holds nothing of the machine that made it."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import CLIPTokenizer

from tiny_sdxl import CHECKPOINT_DIR
from tiny_sdxl.captions import BACKGROUND_WORDS, COLOUR_WORDS, SIZE_WORDS, THING_WORDS
from tiny_sdxl.judge import JUDGE_PATH
from tiny_sdxl.sprites import draw_sprite

_WEIGHTS = sorted(CHECKPOINT_DIR.rglob("*.safetensors"))


def test_the_package_is_imported_without_torch() -> None:
    code = "import sys, tiny_sdxl; sys.exit('torch' in sys.modules or not tiny_sdxl.CHECKPOINT_DIR.is_dir())"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_checkpoint_and_the_judge_are_under_ten_megabytes() -> None:
    files = [path for path in CHECKPOINT_DIR.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in [*files, JUDGE_PATH]) < 10_000_000


def test_weights_are_safetensors_in_half_precision() -> None:
    assert len(_WEIGHTS) == 4
    for path in [*_WEIGHTS, JUDGE_PATH]:
        with safe_open(path, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (safe_open objects are not mappings)
                tensor = weights.get_tensor(name)
                assert tensor.dtype == torch.float16, f"{path.name}: {name}"
                assert torch.isfinite(tensor).all(), f"{path.name}: {name}"


def test_no_file_can_run_code_when_it_is_loaded() -> None:
    assert {path.suffix for path in CHECKPOINT_DIR.rglob("*") if path.is_file()} == {".json", ".safetensors", ".md"}


def test_the_settings_hold_no_path() -> None:
    for path in CHECKPOINT_DIR.rglob("*.json"):
        text = path.read_text()
        assert "_name_or_path" not in text
        if path.name != "tokenizer.json":
            strings = re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(json.loads(text)))
            assert not [string for string in strings if "/" in string or "\\\\" in string]


def test_the_model_card_says_what_it_is_and_what_it_cannot_do() -> None:
    card = (CHECKPOINT_DIR / "README.md").read_text()
    for heading in ("## What it is", "## How it was trained", "## What it can't do", "## Licence"):
        assert heading in card


def test_the_pipeline_is_a_whole_sdxl(tiny_pipeline: Any) -> None:
    assert type(tiny_pipeline).__name__ == "StableDiffusionXLPipeline"
    assert tiny_pipeline.vae_scale_factor == 4
    assert tiny_pipeline.scheduler.config.prediction_type == "v_prediction"
    assert tiny_pipeline.scheduler.config.timestep_spacing == "trailing"
    assert tiny_pipeline.text_encoder.config.eos_token_id == tiny_pipeline.tokenizer.eos_token_id


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    loaded: CLIPTokenizer = CLIPTokenizer.from_pretrained(CHECKPOINT_DIR / "tokenizer", local_files_only=True)
    return loaded


def test_every_taught_word_is_one_token(tokenizer: CLIPTokenizer) -> None:
    tables = (COLOUR_WORDS, THING_WORDS, BACKGROUND_WORDS, SIZE_WORDS)
    words = {part for table in tables for words in table.values() for word in words for part in word.split()}
    torn = {word for word in words if len(tokenizer.tokenize(word)) != 1}
    assert not torn


def test_captions_and_foreign_text_have_no_unknown_tokens(tokenizer: CLIPTokenizer) -> None:
    # The unknown token is the end token too, so it must stand at the end alone.
    for text in [*(draw_sprite(seed).caption for seed in range(100)), "ein Zürcher Trank, 火の剣 🔥!", "%$#"]:
        assert tokenizer.eos_token not in tokenizer.tokenize(text)
        assert tokenizer(text).input_ids.count(tokenizer.eos_token_id) == 1
