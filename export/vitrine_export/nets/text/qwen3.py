"""Qwen3 for Z-Image: the hidden states before the last layer."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3Model
from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding


class Qwen3Features(nn.Module):
    """Token ids (B, N) → features (B, N, width): 35 of 36 layers in the released size, no norm at the end.

    Padding on the right needs no mask: attention is causal, so earlier tokens do not depend on it.
    """

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        less = copy.deepcopy(config)
        less.num_hidden_layers = config.num_hidden_layers - 1
        less.layer_types = None if less.layer_types is None else less.layer_types[:-1]
        less._attn_implementation = "sdpa"
        model = Qwen3Model(less)
        self.embed_tokens, self.layers = model.embed_tokens, model.layers
        with torch.device("cpu"):  # the frequencies are computed from the config, not loaded
            self.rotary_emb = Qwen3RotaryEmbedding(less)

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden = self.embed_tokens(input_ids)
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        positions = self.rotary_emb(hidden, places[None])
        later = places[None, :] > places[:, None]
        least = torch.finfo(hidden.dtype).min / 2
        bias = torch.zeros_like(later, dtype=hidden.dtype).masked_fill(later, least)[None, None]
        for layer in self.layers:
            hidden = layer(hidden, attention_mask=bias, position_embeddings=positions)
        return hidden


def name_in_net(key: str, layers: int) -> str | None:
    """Return the net's key for a file's key, or None for the last of `layers` layers and what follows it."""
    name = key.removeprefix("model.")
    unread = ("norm.", "lm_head.", f"layers.{layers - 1}.")
    return None if name.startswith(unread) else name
