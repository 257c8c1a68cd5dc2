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
WIDER = 4  # hidden width of the feed-forward per width of the stream


@dataclass(frozen=True)
class Frame:
    """Inputs of every block besides tokens: time (B, dim), cos and sin, attention bias; text comes first."""

    time: Tensor
    positions: tuple[Tensor, Tensor]
    bias: Tensor
    lora: RowLora | None


class Modulation(nn.Module):
    """The time's shifts, scales and gates, each (B, 1, dim)."""

    def __init__(self, dim: int, parts: int) -> None:
        super().__init__()
        self.linear, self.parts = SlottedLinear(dim, parts * dim), parts

    def forward(self, frame: Frame) -> tuple[Tensor, ...]:
        return self.linear(F.silu(frame.time).unsqueeze(1), frame.lora).chunk(self.parts, dim=-1)


class Hidden(nn.Module):
    """The feed-forward's first half: a linear and GELU."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = SlottedLinear(dim, WIDER * dim)

    def forward(self, tokens: Tensor, lora: RowLora | None) -> Tensor:
        return F.gelu(self.proj(tokens, lora), approximate="tanh")


class FeedForward(nn.Module):
    """Linear, GELU, linear; `net.1` is the released net's dropout, which has no weights."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([Hidden(dim), nn.Identity(), SlottedLinear(WIDER * dim, dim)])

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
        """Query, keys and values (B, N, heads, width)."""
        query, keys, values = (
            linear(tokens, lora).unflatten(-1, (self.heads, -1))
            for linear in (self.to_q, self.to_k, self.to_v)
        )
        return self.norm_q(query), self.norm_k(keys), values

    def forward(self, tokens: Tensor, frame: Frame) -> Tensor:
        return mixed(self.projected(tokens, frame.lora), frame)


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

    def both(self, picture: Tensor, text: Tensor, frame: Frame) -> tuple[Tensor, Tensor]:
        """Tokens of both → outputs of both."""
        words = [
            linear(text, frame.lora).unflatten(-1, (self.heads, -1))
            for linear in (self.add_q_proj, self.add_k_proj, self.add_v_proj)
        ]
        words = [self.norm_added_q(words[0]), self.norm_added_k(words[1]), words[2]]
        pairs = zip(words, self.projected(picture, frame.lora), strict=True)
        query, keys, values = (torch.cat(pair, dim=1) for pair in pairs)
        out, length = mixed((query, keys, values), frame), text.shape[1]
        seen, read = out[:, length:], out[:, :length]
        return self.to_out[0](seen, frame.lora), self.to_add_out(read, frame.lora)


def mixed(projected: tuple[Tensor, Tensor, Tensor], frame: Frame) -> Tensor:
    """Attention with query and keys rotated by their positions."""
    query, keys = (rotate(part, frame.positions) for part in projected[:2])
    return attend(query, keys, projected[2], frame.bias)


class DoubleBlock(nn.Module):
    """Separate weights for text and picture; only attention mixes them."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.norm1, self.norm1_context = Modulation(config.dim, 6), Modulation(config.dim, 6)
        self.attn = JointAttention(config)
        self.ff, self.ff_context = FeedForward(config.dim), FeedForward(config.dim)

    def forward(self, picture: Tensor, text: Tensor, frame: Frame) -> tuple[Tensor, Tensor]:
        of_picture, of_text = self.norm1(frame), self.norm1_context(frame)
        seen, read = self.attn.both(_moved(picture, *of_picture[:2]), _moved(text, *of_text[:2]), frame)
        return (
            _onward(picture, seen, of_picture[2:], self.ff, frame),
            _onward(text, read, of_text[2:], self.ff_context, frame),
        )


class SingleBlock(nn.Module):
    """Attention and feed-forward in parallel, over text and picture as one stream."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.norm, self.attn = Modulation(config.dim, 3), SingleAttention(config)
        self.proj_mlp = SlottedLinear(config.dim, WIDER * config.dim)
        self.proj_out = SlottedLinear((1 + WIDER) * config.dim, config.dim)

    def forward(self, tokens: Tensor, frame: Frame) -> Tensor:
        shift, scale, gate = self.norm(frame)
        moved = _moved(tokens, shift, scale)
        wide = F.gelu(self.proj_mlp(moved, frame.lora), approximate="tanh")
        out = torch.cat([self.attn(moved, frame), wide], dim=-1)
        return tokens + gate * self.proj_out(out, frame.lora)


def _moved(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return layer_norm(tokens) * (1 + scale) + shift


def _onward(
    tokens: Tensor, attended: Tensor, parts: tuple[Tensor, ...], forward: FeedForward, frame: Frame
) -> Tensor:
    """Finish a stream after attention; `parts` are its gate, and the MLP's shift, scale and gate."""
    gate, shift, scale, wide_gate = parts
    tokens = tokens + gate * attended
    return tokens + wide_gate * forward(_moved(tokens, shift, scale), frame.lora)
