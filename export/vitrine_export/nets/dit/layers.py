"""Small layers with the names that released state dicts use."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FREQUENCIES = 256
MAX_PERIOD = 10000


class RmsNorm(nn.Module):
    """Divides by the root mean square of the channels, in float32, and scales by `weight`."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, tokens: Tensor) -> Tensor:
        wide = tokens.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return normed.to(self.weight.dtype) * self.weight


def layer_norm(tokens: Tensor) -> Tensor:
    """Apply LayerNorm over the channels, without weights."""
    return F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)


def sinusoids(times: Tensor) -> Tensor:
    """Times (B,) → cosines and sines (B, 256), in float32."""
    half = FREQUENCIES // 2
    exponents = torch.arange(half, dtype=torch.float32, device=times.device) / half
    angles = times.float()[:, None] * torch.exp(-math.log(MAX_PERIOD) * exponents)[None]
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
