"""Encodes prompts for the transformers as the released pipelines do."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer

from vitrine_export.parity.ads.engines import Call


@cache
def tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a folder; code in it is never run."""
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def captions(tokens: Any, encoder: Call, prompts: list[str], length: int) -> list[Tensor]:
    """Encode for Z-Image: each prompt as a user's message of at most `length` tokens → (n, width) each."""
    texts = [
        tokens.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )
        for prompt in prompts
    ]
    ids = [torch.tensor(tokens(text, truncation=True, max_length=length).input_ids) for text in texts]
    features = encoder(pad_sequence(ids, batch_first=True))
    return [row[: len(found)] for row, found in zip(features, ids, strict=True)]


def filled_up(tokens: Any, encoder: Call, prompts: list[str], length: int) -> Tensor:
    """Encode for FLUX: each prompt is padded to `length` tokens; return the encoder's output."""
    found = tokens(prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return encoder(found.input_ids)
