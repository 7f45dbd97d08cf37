"""The two text encoders, and how SDXL turns their outputs into conditioning."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tiny_sdxl.tokenizer import MAX_TOKENS

_HIDDEN_SIZE = 64
EMBEDDING_SIZE = 2 * _HIDDEN_SIZE
POOLED_SIZE = 64


def build_text_encoders(tokenizer: CLIPTokenizer) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    """Two untrained encoders of SDXL's two kinds, 2 layers of 64 each."""

    def config(activation: str) -> CLIPTextConfig:
        # The ids must be the tokenizer's: the pooled output is taken at the first end token.
        return CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=_HIDDEN_SIZE,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            projection_dim=POOLED_SIZE,
            max_position_embeddings=MAX_TOKENS,
            hidden_act=activation,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )

    return CLIPTextModel(config("quick_gelu")), CLIPTextModelWithProjection(config("gelu"))


def token_ids(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token ids, N × 77, padded and cut as the pipeline does."""
    encoded = tokenizer(captions, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
    ids: Tensor = encoded.input_ids
    return ids


@dataclass(frozen=True)
class Conditioning:
    """What the UNet gets from a text: `embeddings` N × 77 × 128 and `pooled` N × 64."""

    embeddings: Tensor
    pooled: Tensor


def encode_text(first: nn.Module, second: nn.Module, ids: Tensor) -> Conditioning:
    """SDXL's recipe for N × 77 token ids: both encoders' last layer but one, and the second's pooled output."""
    left = first(ids, output_hidden_states=True)
    right = second(ids, output_hidden_states=True)
    embeddings = torch.cat([left.hidden_states[-2], right.hidden_states[-2]], dim=-1)
    return Conditioning(embeddings, right.text_embeds)
