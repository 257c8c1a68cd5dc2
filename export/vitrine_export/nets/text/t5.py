"""T5's encoder for FLUX: over all tokens of the padded prompt, without a mask."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from transformers import T5Config
from transformers.models.t5.modeling_t5 import T5Stack

TABLES = ("shared.weight", "encoder.embed_tokens.weight")
"""The two keys of the token embedding."""


class T5Text(nn.Module):
    """Token ids (B, N) → features (B, N, width)."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        alone = copy.deepcopy(config)
        alone.is_decoder, alone.use_cache, alone.is_encoder_decoder = False, False, False
        self.stack = T5Stack(alone)

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden, bias = self.stack.embed_tokens(input_ids), None
        for block in self.stack.block:
            hidden, bias, *_ = block(hidden, None, bias)
        return self.stack.final_layer_norm(hidden)


def name_in_net(key: str) -> str | None:
    """Return the net's key for a file's key, or None for keys of the decoder."""
    if key in TABLES:
        return "embed_tokens.weight"
    return key.removeprefix("encoder.") if key.startswith("encoder.") else None
