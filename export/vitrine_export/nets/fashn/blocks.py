"""The blocks of FASHN VTON: modulated norms, attention with rotary positions, double and single blocks.

Names of submodules are those of the released state dict. The blocks have the shape of
FLUX's (Black Forest Labs, 2024).
Shapes: B rows, N tokens, d the hidden width, H heads of width D.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-6
"""The epsilon of layer norms and RMS norms."""

Rope = tuple[Tensor, Tensor]
"""cos and sin (N, D/2), float32; or (B, 1, N, D/2) where rows keep different tokens."""


def rope_table(rows: int, columns: int, axes: tuple[int, ...], theta: float) -> Rope:
    """Rotary angles of a row-major grid of tokens: position (0, row, column), one axis after another.

    Each axis of a dims has frequencies theta^(-2j/a), j = 0 … a/2-1 (Su et al., RoFormer, 2021). Computed in
    float64, returned in float32.
    """
    row = torch.arange(rows, dtype=torch.float64).repeat_interleave(columns)
    column = torch.arange(columns, dtype=torch.float64).repeat(rows)
    angles = []
    for dims, position in zip(axes, (torch.zeros_like(row), row, column), strict=True):
        frequencies = theta ** (-torch.arange(0, dims, 2, dtype=torch.float64) / dims)
        angles.append(position[:, None] * frequencies)
    angle = torch.cat(angles, dim=1)
    return angle.cos().float(), angle.sin().float()


def rotated(x: Tensor, rope: Rope) -> Tensor:
    """x (B, H, N, D) with each pair of dims (2j, 2j+1) rotated by its angle, computed in float32."""
    cos, sin = rope
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """(1 + scale) · layer norm of x + shift; x (B, N, d), shift and scale (B, 1, d)."""
    return (1 + scale) * F.layer_norm(x, x.shape[-1:], eps=EPS) + shift


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of (B, H, N, D), heads concatenated: (B, N, H·D)."""
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Scale(nn.Module):
    """RMS norm over the last dimension, in float32, with a learned scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return x's dtype and shape (…, width)."""
        wide = x.float()
        normed = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + EPS)
        return (normed * self.scale.float()).to(x.dtype)


class QueryKeyNorm(nn.Module):
    """RMS norms of queries and keys, before the rotation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_norm, self.key_norm = Scale(width), Scale(width)


class Modulation(nn.Module):
    """The linear layer from the row's vector to shifts, scales and gates."""

    def __init__(self, width: int, chunks: int) -> None:
        super().__init__()
        self.lin = nn.Linear(width, chunks * width)


class Attention(nn.Module):
    """One stream's part of the joint attention of a double block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm = QueryKeyNorm(width // heads)

    def queries_keys_values(self, x: Tensor, rope: Rope) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, N, d) → three (B, H, N, D); queries and keys are normed and rotated."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return rotated(self.norm.query_norm(q), rope), rotated(self.norm.key_norm(k), rope), v


class DoubleBlock(nn.Module):
    """Image and garment streams with separate weights and a joint attention."""

    CHUNKS = 6  # (shift, scale, gate) for the attention and for the MLP, in each stream

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        for stream in ("img", "txt"):
            setattr(self, f"{stream}_mod", Modulation(width, self.CHUNKS))
            setattr(self, f"{stream}_attn", Attention(width, heads))
            mlp = nn.Sequential(
                nn.Linear(width, mlp_ratio * width),
                nn.GELU(approximate="tanh"),
                nn.Linear(mlp_ratio * width, width),
            )
            setattr(self, f"{stream}_mlp", mlp)

    def forward(
        self,
        image: Tensor,
        garment: Tensor,
        image_mod: Tensor,
        garment_mod: Tensor,
        image_rope: Rope,
        garment_rope: Rope,
    ) -> tuple[Tensor, Tensor]:
        """Streams (B, N, d), modulations (B, 6d) → both streams after the block."""
        streams = (
            (garment, garment_mod, self.txt_attn, self.txt_mlp),
            (image, image_mod, self.img_attn, self.img_mlp),
        )
        ropes = garment_rope, image_rope
        mods = [mod[:, None].chunk(self.CHUNKS, dim=-1) for _, mod, _, _ in streams]
        parts = [
            attn.queries_keys_values(modulated(x, mod[0], mod[1]), rope)
            for (x, _, attn, _), mod, rope in zip(streams, mods, ropes, strict=True)
        ]
        joint = attention(*(torch.cat(one, dim=2) for one in zip(*parts, strict=True)))
        cut = joint.split([garment.shape[1], image.shape[1]], dim=1)
        outputs = []
        for (x, _, attn, mlp), mod, mixed in zip(streams, mods, cut, strict=True):
            x = x + mod[2] * attn.proj(mixed)
            outputs.append(x + mod[5] * mlp(modulated(x, mod[3], mod[4])))
        return outputs[1], outputs[0]


class SingleBlock(nn.Module):
    """Attention and MLP in parallel over one sequence."""

    CHUNKS = 3  # shift, scale, gate

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.linear1 = nn.Linear(width, (3 + mlp_ratio) * width)
        self.linear2 = nn.Linear((1 + mlp_ratio) * width, width)
        self.norm, self.modulation = QueryKeyNorm(width // heads), Modulation(width, self.CHUNKS)

    def forward(self, x: Tensor, mod: Tensor, rope: Rope) -> Tensor:
        """x (B, N, d), mod (B, 3d) → (B, N, d) after the block."""
        shift, scale, gate = mod[:, None].chunk(self.CHUNKS, dim=-1)
        qkv, hidden = self.linear1(modulated(x, shift, scale)).split(
            [3 * self.width, self.linear1.out_features - 3 * self.width], dim=-1
        )
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = attention(rotated(self.norm.query_norm(q), rope), rotated(self.norm.key_norm(k), rope), v)
        return x + gate * self.linear2(torch.cat((mixed, F.gelu(hidden, approximate="tanh")), dim=-1))

    def trimmed(self, x: Tensor, mod: Tensor, rope: Rope, first: int) -> Tensor:
        """Run `forward` for the tokens from `first` on: (B, N - first, d). Others give keys and values only.

        The result is exact, because query, MLP and output of a token do not depend on other tokens.
        """
        shift, scale, gate = mod[:, None].chunk(self.CHUNKS, dim=-1)
        normed, d = modulated(x, shift, scale), self.width
        kept, weight, bias = normed[:, first:], self.linear1.weight, self.linear1.bias
        k, v = (
            F.linear(normed, weight[d : 3 * d], bias[d : 3 * d])
            .unflatten(-1, (2, self.heads, -1))
            .permute(2, 0, 3, 1, 4)
        )
        q = F.linear(kept, weight[:d], bias[:d]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        hidden = F.linear(kept, weight[3 * d :], bias[3 * d :])
        late = (rope[0][first:], rope[1][first:])
        mixed = attention(rotated(self.norm.query_norm(q), late), rotated(self.norm.key_norm(k), rope), v)
        return x[:, first:] + gate * self.linear2(torch.cat((mixed, F.gelu(hidden, approximate="tanh")), -1))
