"""Rotary positions on three axes, and masked attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RotaryTable(nn.Module):
    """Tables of cos and sin of every position on every axis, float32. ONNX lacks complex numbers.

    They are computed from the config and are in no state dict.
    """

    def __init__(self, theta: float, dims: Sequence[int], lengths: Sequence[int]) -> None:
        super().__init__()
        self.axes = len(dims)
        with torch.device("cpu"):
            for axis, (dim, length) in enumerate(zip(dims, lengths, strict=True)):
                angles = _angles(theta, dim, length)
                self.register_buffer(f"cos_{axis}", angles.cos(), persistent=False)
                self.register_buffer(f"sin_{axis}", angles.sin(), persistent=False)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (B, N, axes) int64 → cos and sin, each (B, N, 1, head width / 2)."""
        cos, sin = (
            torch.cat([getattr(self, f"{name}_{axis}")[ids[..., axis]] for axis in range(self.axes)], dim=-1)
            for name in ("cos", "sin")
        )
        return cos.unsqueeze(2), sin.unsqueeze(2)


def _angles(theta: float, dim: int, length: int) -> Tensor:
    frequencies = 1.0 / theta ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    return torch.outer(torch.arange(length, dtype=torch.float64), frequencies).float()


def rotate(tokens: Tensor, positions: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate each pair of neighbouring channels of (B, N, heads, width) by its angle, in float32."""
    cos, sin = positions
    even, odd = tokens.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2).to(tokens.dtype)


def bias_of(valid: Tensor, dtype: torch.dtype) -> Tensor:
    """Valid tokens (B, N) bool → addend of their logits (B, 1, 1, N): 0 or a large negative number.

    The number is finite, so that softmax of a fully masked row is defined; else it gives exactly 0.
    """
    zeros = torch.zeros_like(valid, dtype=dtype)
    return zeros.masked_fill(~valid, torch.finfo(dtype).min / 2)[:, None, None, :]


def attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """Self-attention of tokens (B, N, heads, width) → (B, N, heads · width)."""
    query, keys, values = (part.transpose(1, 2) for part in (query, keys, values))
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=bias).transpose(1, 2).flatten(2)
