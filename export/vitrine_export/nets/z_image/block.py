"""One block: attention and a gated feed-forward, each between two norms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrine_export.nets.dit.layers import RmsNorm
from vitrine_export.nets.dit.lora_rows import RowLora, SlottedLinear
from vitrine_export.nets.dit.rotary import attend, rotate
from vitrine_export.nets.z_image.config import ZImageConfig

QK_EPS = 1e-5


@dataclass(frozen=True)
class AttentionInputs:
    """The rotary cos and sin (B, N, 1, w) of tokens, and their attention bias (B, 1, 1, N)."""

    positions: tuple[Tensor, Tensor]
    bias: Tensor

    def followed_by(self, other: AttentionInputs) -> AttentionInputs:
        """Return the inputs for these tokens followed by others."""
        cos, sin = (torch.cat(pair, dim=1) for pair in zip(self.positions, other.positions, strict=True))
        return AttentionInputs((cos, sin), torch.cat([self.bias, other.bias], dim=-1))


class SelfAttention(nn.Module):
    """Self-attention with normed query and keys, which are then rotated by their positions."""

    def __init__(self, config: ZImageConfig) -> None:
        super().__init__()
        self.heads, width = config.n_heads, config.dim // config.n_heads
        self.to_q, self.to_k, self.to_v = (_linear(config.dim, config.dim) for _ in range(3))
        self.to_out = nn.ModuleList([_linear(config.dim, config.dim)])
        self.norm_q, self.norm_k = (
            RmsNorm(width, QK_EPS) if config.qk_norm else nn.Identity() for _ in range(2)
        )

    def forward(self, tokens: Tensor, given: AttentionInputs, lora: RowLora | None) -> Tensor:
        query, keys, values = (
            linear(tokens, lora).unflatten(-1, (self.heads, -1))
            for linear in (self.to_q, self.to_k, self.to_v)
        )
        query, keys = (
            rotate(norm(part), given.positions) for norm, part in ((self.norm_q, query), (self.norm_k, keys))
        )
        return self.to_out[0](attend(query, keys, values, given.bias), lora)


class FeedForward(nn.Module):
    """The gated feed-forward w2(silu(w1(x)) · w3(x))."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = int(dim / 3 * 8)
        self.w1, self.w3, self.w2 = _linear(dim, hidden), _linear(dim, hidden), _linear(hidden, dim)

    def forward(self, tokens: Tensor, lora: RowLora | None) -> Tensor:
        return self.w2(F.silu(self.w1(tokens, lora)) * self.w3(tokens, lora), lora)


class Block(nn.Module):
    """One block on tokens (B, N, dim); the time embedding scales and gates a modulated block."""

    def __init__(self, config: ZImageConfig, modulated: bool) -> None:
        super().__init__()
        self.attention, self.feed_forward = SelfAttention(config), FeedForward(config.dim)
        self.attention_norm1, self.attention_norm2, self.ffn_norm1, self.ffn_norm2 = (
            RmsNorm(config.dim, config.norm_eps) for _ in range(4)
        )
        if modulated:
            self.adaLN_modulation = nn.Sequential(nn.Linear(config.modulation_width, 4 * config.dim))

    def forward(
        self, tokens: Tensor, given: AttentionInputs, time: Tensor | None, lora: RowLora | None
    ) -> Tensor:
        """`time` (B, width) is None for a block without modulation."""
        scale, gate, wide_scale, wide_gate = self._modulation(time)
        mixed = self.attention(self.attention_norm1(tokens) * scale, given, lora)
        tokens = tokens + gate * self.attention_norm2(mixed)
        wide = self.feed_forward(self.ffn_norm1(tokens) * wide_scale, lora)
        return tokens + wide_gate * self.ffn_norm2(wide)

    def _modulation(self, time: Tensor | None) -> tuple[Tensor | float, ...]:
        """Return scale and gate of the attention, then of the feed-forward."""
        if time is None:
            return 1.0, 1.0, 1.0, 1.0
        scale, gate, wide_scale, wide_gate = self.adaLN_modulation(time).unsqueeze(1).chunk(4, dim=2)
        return 1.0 + scale, gate.tanh(), 1.0 + wide_scale, wide_gate.tanh()


def _linear(inputs: int, outputs: int) -> SlottedLinear:
    return SlottedLinear(inputs, outputs, bias=False)
