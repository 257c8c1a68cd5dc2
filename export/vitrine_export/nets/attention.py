"""The attentions of both UNets: as the released code computes them (`Joint`), and faster (`Cached`).

Tokens are (R, N, C). Keys and values of the garment come from TryonNet's own attn1.to_k and attn1.to_v.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from vitrine_export.nets.unet_steps import Site


class ImageAttention(nn.Module):
    """Projects image tokens to keys and values: the `attn2.processor` of the released state dict."""

    def __init__(self, context_width: int, channels: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(context_width, channels, bias=False)
        self.to_v_ip = nn.Linear(context_width, channels, bias=False)


@dataclass
class Capturing:
    """GarmentNet's attentions, unchanged; `features` collects the input of every self-attention."""

    prompt: Tensor  # (R, 77, context)
    features: list[Tensor] = field(default_factory=list)

    def self_attention(self, site: Site, tokens: Tensor) -> Tensor:
        self.features.append(tokens)
        return attend(site.block.attn1, tokens, tokens)

    def cross_attention(self, site: Site, tokens: Tensor) -> Tensor:
        return attend(site.block.attn2, tokens, self.prompt)


@dataclass(frozen=True)
class Joint:
    """TryonNet's attentions over [person; garment features]; every step computes every projection.

    `queries="all"` also computes the outputs of garment tokens and drops them, as the released code does.
    """

    text: Tensor  # (R, 77, context)
    image_tokens: Tensor  # (R, 16, context)
    features: Sequence[Tensor]  # by site: (R, N, C), zeros in rows without garment
    queries: Literal["all", "person"] = "person"

    def self_attention(self, site: Site, tokens: Tensor) -> Tensor:
        both = torch.cat([tokens, self.features[site.index]], dim=1)
        if self.queries == "all":
            return attend(site.block.attn1, both, both)[:, : tokens.shape[1]]
        return attend(site.block.attn1, tokens, both)

    def cross_attention(self, site: Site, tokens: Tensor) -> Tensor:
        attention, image = site.block.attn2, site.block.attn2.processor
        query = attention.to_q(tokens)
        text = mix(query, attention.to_k(self.text), attention.to_v(self.text), site.heads)
        keys, values = image.to_k_ip(self.image_tokens), image.to_v_ip(self.image_tokens)
        return output_of(attention, text + mix(query, keys, values, site.heads))


@dataclass(frozen=True)
class Cached:
    """TryonNet's attentions with precomputed keys and values, except those that depend on the latents.

    The halves of a job are adjacent rows: (R · halves), halves = [uncond, cond] or [cond]. Only cond attends
    to the garment. For uncond the released code has zero features: N keys with logit 0 and value 0, which
    `mix_with_zeros` adds in closed form.
    """

    garment_kv: Sequence[Tensor]  # by level: (R, N, sum of 2·C over the level's sites)
    text_kv: Tensor  # (R, halves, 77, sum of 2·C over all sites)
    image_kv: Tensor  # (R, halves, 16, sum of 2·C over all sites)
    context_slices: Sequence[slice]  # by site, into text_kv and image_kv
    garment_slices: Sequence[slice]  # by site, into its level's garment_kv

    def self_attention(self, site: Site, tokens: Tensor) -> Tensor:
        attention = site.block.attn1
        projected = [linear(tokens) for linear in (attention.to_q, attention.to_k, attention.to_v)]
        halves = self.text_kv.shape[1]
        garment = self.garment_kv[site.level][..., self.garment_slices[site.index]].chunk(2, dim=-1)
        if halves == 1:
            return output_of(attention, self._with_garment(projected, garment, site.heads))
        uncond, cond = zip(*(part.unflatten(0, (-1, halves)).unbind(1) for part in projected), strict=True)
        query, keys, values = uncond
        alone = mix_with_zeros(query, keys, values, site.heads)
        mixed = [alone, self._with_garment(cond, garment, site.heads)]
        return output_of(attention, torch.stack(mixed, dim=1).flatten(0, 1))

    @staticmethod
    def _with_garment(projected: Sequence[Tensor], garment: Sequence[Tensor], heads: int) -> Tensor:
        query, keys, values = projected
        keys, values = torch.cat([keys, garment[0]], dim=1), torch.cat([values, garment[1]], dim=1)
        return mix(query, keys, values, heads)

    def cross_attention(self, site: Site, tokens: Tensor) -> Tensor:
        attention, part = site.block.attn2, self.context_slices[site.index]
        query = attention.to_q(tokens)
        keys, values = self.text_kv[..., part].flatten(0, 1).chunk(2, dim=-1)
        text = mix(query, keys, values, site.heads)
        keys, values = self.image_kv[..., part].flatten(0, 1).chunk(2, dim=-1)
        return output_of(attention, text + mix(query, keys, values, site.heads))


def attend(attention: Attention, tokens: Tensor, context: Tensor) -> Tensor:
    """Run an unchanged attention module: tokens (R, N, C) over context (R, M, D)."""
    query, keys, values = attention.to_q(tokens), attention.to_k(context), attention.to_v(context)
    return output_of(attention, mix(query, keys, values, attention.heads))


def output_of(attention: Attention, mixed: Tensor) -> Tensor:
    """Apply the output projection (and dropout, 0 in released configs)."""
    return attention.to_out[1](attention.to_out[0](mixed))


def mix(query: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Compute softmax(q·kᵀ/√d)·v by heads: query (R, N, C), keys and values (R, M, C) → (R, N, C)."""
    query, keys, values = (by_head(part, heads) for part in (query, keys, values))
    return F.scaled_dot_product_attention(query, keys, values).transpose(1, 2).flatten(2)


def mix_with_zeros(query: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Compute `mix` as if M zero tokens followed the M keys, without these tokens.

    Projections without bias give M keys of logit 0 and value 0: `mix` times sigmoid(lse − ln M). One zero key
    with logit ln M has the same weight as all M, which works with fused kernels that do not return lse.
    """
    query, keys, values = (by_head(part, heads) for part in (query, keys, values))
    ones = torch.ones_like(keys[:1, :1, :, 0])  # (1, 1, M): a tensor, so that M can vary in a graph
    bias = torch.cat([torch.zeros_like(ones), ones.sum(-1, keepdim=True).log()], dim=-1).unsqueeze(2)
    keys, values = F.pad(keys, (0, 0, 0, 1)), F.pad(values, (0, 0, 0, 1))
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=bias).transpose(1, 2).flatten(2)


def by_head(tokens: Tensor, heads: int) -> Tensor:
    """(R, N, C) → (R, heads, N, C / heads)."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)
