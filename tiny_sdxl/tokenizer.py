"""The tokenizer of the tiny model: byte-level pair encoding over the captions it is trained on."""

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

MAX_TOKENS = 77
_VOCABULARY_SIZE = 950
_WORD_END = "</w>"
_BOS, _EOS = "<|startoftext|>", "<|endoftext|>"


def build_tokenizer(captions: Iterable[str]) -> CLIPTokenizer:
    """Learn merges from `captions`; every byte is in the vocabulary, so no text has unknown tokens.

    The padding token is the end token, as in SDXL's first tokenizer.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    blank = CLIPTokenizer(vocab={_BOS: 0, _EOS: 1}, merges=[])
    learner = Tokenizer(models.BPE(end_of_word_suffix=_WORD_END))
    learner.normalizer = blank.backend_tokenizer.normalizer
    learner.pre_tokenizer = blank.backend_tokenizer.pre_tokenizer
    merge_count = _VOCABULARY_SIZE - 2 * len(alphabet) - 2
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY_SIZE, initial_alphabet=alphabet, end_of_word_suffix=_WORD_END, show_progress=False
    )
    learner.train_from_iterator(sorted(set(captions)), trainer)
    learned = json.loads(learner.to_str())["model"]["merges"]
    # Pairs, as the library below needs them; transformers annotates strings.
    merges: list[Any] = [(str(left), str(right)) for left, right in learned][:merge_count]
    pieces = [*alphabet, *(letter + _WORD_END for letter in alphabet), *(left + right for left, right in merges)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, _BOS, _EOS]))}
    return CLIPTokenizer(
        vocab=vocabulary, merges=merges, bos_token=_BOS, eos_token=_EOS, pad_token=_EOS, model_max_length=MAX_TOKENS
    )
