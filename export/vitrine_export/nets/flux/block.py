"""The two kinds of block: with separate weights for text and picture, and with both as one stream."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrine_export.nets.dit.layers import RmsNorm, layer_norm
from vitrine_export.nets.dit.lora_rows import RowLora, SlottedLinear
from vitrine_export.nets.dit.rotary import attend, rotate
from vitrine_export.nets.flux.config import FluxConfig

EPS = 1e-6
MLP_RATIO = 4  # hidden width of the feed-forward, relative to the width of the stream


@dataclass(frozen=True)
class BlockInputs:
    """The inputs of every block except tokens: time (B, dim), rotary cos and sin, and attention bias.

    The positions and the bias are those of text and picture together, text first.
    """

    time: Tensor
    positions: tuple[Tensor, Tensor]
    bias: Tensor
    lora: RowLora | None


class Modulation(nn.Module):
    """Maps the time embedding to shifts, scales and gates, each (B, 1, dim)."""

    def __init__(self, dim: int, parts: int) -> None:
        super().__init__()
        self.linear, self.parts = SlottedLinear(dim, parts * dim), parts

    def forward(self, given: BlockInputs) -> tuple[Tensor, ...]:
        return self.linear(F.silu(given.time).unsqueeze(1), given.lora).chunk(self.parts, dim=-1)


class GeluLinear(nn.Module):
    """A linear and GELU, the first half of the feed-forward."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = SlottedLinear(dim, MLP_RATIO * dim)

    def forward(self, tokens: Tensor, lora: RowLora | None) -> Tensor:
        return F.gelu(self.proj(tokens, lora), approximate="tanh")


class FeedForward(nn.Module):
    """Linear, GELU, linear; `net.1` is the released net's dropout, which has no weights."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([GeluLinear(dim), nn.Identity(), SlottedLinear(MLP_RATIO * dim, dim)])

    def forward(self, tokens: Tensor, lora: RowLora | None) -> Tensor:
        return self.net[2](self.net[0](tokens, lora), lora)


class SingleAttention(nn.Module):
    """Attention over one stream, without an output projection."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.heads, width = config.num_attention_heads, config.attention_head_dim
        self.to_q, self.to_k, self.to_v = (SlottedLinear(config.dim, config.dim) for _ in range(3))
        self.norm_q, self.norm_k = RmsNorm(width, EPS), RmsNorm(width, EPS)

    def projected(self, tokens: Tensor, lora: RowLora | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, keys and values, each (B, N, heads, width)."""
        query, keys, values = (
            linear(tokens, lora).unflatten(-1, (self.heads, -1))
            for linear in (self.to_q, self.to_k, self.to_v)
        )
        return self.norm_q(query), self.norm_k(keys), values

    def forward(self, tokens: Tensor, given: BlockInputs) -> Tensor:
        return attention(self.projected(tokens, given.lora), given)


class JointAttention(SingleAttention):
    """Attention over text and picture, each with its own projections."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__(config)
        width = config.attention_head_dim
        self.to_out = nn.ModuleList([SlottedLinear(config.dim, config.dim)])
        self.add_q_proj, self.add_k_proj, self.add_v_proj, self.to_add_out = (
            SlottedLinear(config.dim, config.dim) for _ in range(4)
        )
        self.norm_added_q, self.norm_added_k = RmsNorm(width, EPS), RmsNorm(width, EPS)

    def both(self, picture: Tensor, text: Tensor, given: BlockInputs) -> tuple[Tensor, Tensor]:
        """Return the outputs for picture (B, Ni, dim) and text (B, Nt, dim)."""
        words = [
            linear(text, given.lora).unflatten(-1, (self.heads, -1))
            for linear in (self.add_q_proj, self.add_k_proj, self.add_v_proj)
        ]
        words = [self.norm_added_q(words[0]), self.norm_added_k(words[1]), words[2]]
        pairs = zip(words, self.projected(picture, given.lora), strict=True)
        query, keys, values = (torch.cat(pair, dim=1) for pair in pairs)
        out, length = attention((query, keys, values), given), text.shape[1]
        picture_out, text_out = out[:, length:], out[:, :length]
        return self.to_out[0](picture_out, given.lora), self.to_add_out(text_out, given.lora)


def attention(projected: tuple[Tensor, Tensor, Tensor], given: BlockInputs) -> Tensor:
    """Return attention (B, N, heads · width) with query and keys rotated by their positions."""
    query, keys = (rotate(part, given.positions) for part in projected[:2])
    return attend(query, keys, projected[2], given.bias)


class DoubleBlock(nn.Module):
    """A block with separate weights for text and picture; only their attention is joint."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.norm1, self.norm1_context = Modulation(config.dim, 6), Modulation(config.dim, 6)
        self.attn = JointAttention(config)
        self.ff, self.ff_context = FeedForward(config.dim), FeedForward(config.dim)

    def forward(self, picture: Tensor, text: Tensor, given: BlockInputs) -> tuple[Tensor, Tensor]:
        of_picture, of_text = self.norm1(given), self.norm1_context(given)
        picture_out, text_out = self.attn.both(
            _modulated(picture, *of_picture[:2]), _modulated(text, *of_text[:2]), given
        )
        return (
            _finished(picture, picture_out, of_picture[2:], self.ff, given),
            _finished(text, text_out, of_text[2:], self.ff_context, given),
        )


class SingleBlock(nn.Module):
    """A block with attention and feed-forward in parallel, over text and picture as one stream."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.norm, self.attn = Modulation(config.dim, 3), SingleAttention(config)
        self.proj_mlp = SlottedLinear(config.dim, MLP_RATIO * config.dim)
        self.proj_out = SlottedLinear((1 + MLP_RATIO) * config.dim, config.dim)

    def forward(self, tokens: Tensor, given: BlockInputs) -> Tensor:
        shift, scale, gate = self.norm(given)
        modulated = _modulated(tokens, shift, scale)
        wide = F.gelu(self.proj_mlp(modulated, given.lora), approximate="tanh")
        out = torch.cat([self.attn(modulated, given), wide], dim=-1)
        return tokens + gate * self.proj_out(out, given.lora)


def _modulated(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return layer_norm(tokens) * (1 + scale) + shift


def _finished(
    tokens: Tensor, attended: Tensor, parts: tuple[Tensor, ...], forward: FeedForward, given: BlockInputs
) -> Tensor:
    """Finish a stream after attention; `parts` are its gate, and the MLP's shift, scale and gate."""
    gate, shift, scale, wide_gate = parts
    tokens = tokens + gate * attended
    return tokens + wide_gate * forward(_modulated(tokens, shift, scale), given.lora)
