"""A UNet as a flat list of steps, so that a forward pass is one loop that can start and stop anywhere.

The steps call the modules of a stock diffusers `UNet2DConditionModel`; only the attention inside its
transformer blocks is ours (`attention.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

Kind = Literal["resnet", "attention", "down", "up"]


@dataclass(frozen=True)
class Site:
    """A transformer block: `index` is its place in execution order, `level` its size (0: the finest)."""

    index: int
    level: int
    block: BasicTransformerBlock

    @property
    def channels(self) -> int:
        """Width of the keys and of the values of this block's attentions."""
        return self.block.attn1.to_k.out_features

    @property
    def heads(self) -> int:
        """Attention heads of this block."""
        return self.block.attn1.heads


@dataclass(frozen=True)
class Step:
    """One module call: `pops` joins the newest skip to its input, `pushes` keeps its output as a skip."""

    kind: Kind
    module: nn.Module
    sites: tuple[Site, ...] = ()
    pops: bool = False
    pushes: bool = False


class Attending(Protocol):
    """The two attentions of a transformer block: normalised tokens (R, N, C) → tokens."""

    def self_attention(self, site: Site, tokens: Tensor) -> Tensor: ...
    def cross_attention(self, site: Site, tokens: Tensor) -> Tensor: ...


def steps_of(unet: UNet2DConditionModel) -> tuple[Step, ...]:
    """Return every step between conv_in and conv_norm_out, in execution order."""
    return _Planner().plan(unet)


class _Planner:
    """Lists the steps and numbers the sites."""

    def __init__(self) -> None:
        self.depth = 0
        self.depths: list[int] = []  # the depth of each site
        self.steps: list[Step] = []

    def plan(self, unet: UNet2DConditionModel) -> tuple[Step, ...]:
        for block in unet.down_blocks:
            self._column(block, pushes=True)
            for module in block.downsamplers or ():
                self.depth += 1
                self._add("down", module, pushes=True)
        self._middle(unet.mid_block)
        for block in unet.up_blocks:
            self._column(block, pops=True)
            for module in block.upsamplers or ():
                self.depth -= 1
                self._add("up", module)
        return self._numbered()

    def _add(self, kind: Kind, module: nn.Module, pops: bool = False, pushes: bool = False) -> None:
        sites: list[Site] = []
        for block in module.transformer_blocks if kind == "attention" else ():
            sites.append(Site(len(self.depths), self.depth, block))
            self.depths.append(self.depth)
        self.steps.append(Step(kind, module, tuple(sites), pops, pushes))

    def _column(self, block: nn.Module, pops: bool = False, pushes: bool = False) -> None:
        attentions = getattr(block, "attentions", None) or [None] * len(block.resnets)
        for resnet, attention in zip(block.resnets, attentions, strict=True):
            self._add("resnet", resnet, pops=pops, pushes=pushes and attention is None)
            if attention is not None:
                self._add("attention", attention, pushes=pushes)

    def _middle(self, block: nn.Module) -> None:
        self._add("resnet", block.resnets[0])
        for attention, resnet in zip(block.attentions, block.resnets[1:], strict=True):
            self._add("attention", attention)
            self._add("resnet", resnet)

    def _numbered(self) -> tuple[Step, ...]:
        """Return the steps with depths replaced by levels: only depths with attention count."""
        level_of = {depth: level for level, depth in enumerate(sorted(set(self.depths)))}
        return tuple(
            Step(
                step.kind,
                step.module,
                tuple(Site(site.index, level_of[site.level], site.block) for site in step.sites),
                step.pops,
                step.pushes,
            )
            for step in self.steps
        )


def traverse(steps: Sequence[Step], hidden: Tensor, embedding: Tensor, attending: Attending) -> Tensor:
    """Run `steps` on conv_in's output `hidden` (R, C, h, w) under the time embedding (R, E)."""
    skips = [hidden]
    for step in steps:
        if step.pops:
            hidden = torch.cat([hidden, skips.pop()], dim=1)
        if step.kind == "resnet":
            hidden = step.module(hidden, embedding)
        elif step.kind == "attention":
            hidden = _attention(step, hidden, attending)
        elif step.kind == "up":
            hidden = _up(step.module, hidden, skips[-1])
        else:
            hidden = step.module(hidden)
        if step.pushes:
            skips.append(hidden)
    return hidden


def _up(module: nn.Module, hidden: Tensor, skip: Tensor) -> Tensor:
    """Upsample to twice the size, or to the size of the skip after an odd size was halved."""
    height, width = skip.shape[-2:]
    doubles = height == 2 * hidden.shape[-2] and width == 2 * hidden.shape[-1]
    size = {"scale_factor": 2.0} if doubles else {"size": (height, width)}
    return module.conv(F.interpolate(hidden, mode="nearest", **size))


def _attention(step: Step, hidden: Tensor, attending: Attending) -> Tensor:
    tokens = tokens_of(step.module, hidden)
    for site in step.sites:
        tokens = transform(site, tokens, attending)
    return picture_of(step.module, tokens, hidden)


def transform(site: Site, tokens: Tensor, attending: Attending) -> Tensor:
    """Run one transformer block on tokens (R, N, C)."""
    block = site.block
    tokens = tokens + attending.self_attention(site, block.norm1(tokens))
    tokens = tokens + attending.cross_attention(site, block.norm2(tokens))
    return tokens + block.ff(block.norm3(tokens))


def tokens_of(transformer: Transformer2DModel, hidden: Tensor) -> Tensor:
    """Return the tokens (R, h·w, C) of the transformer's first block for a picture (R, C, h, w)."""
    hidden = transformer.norm(hidden)
    if transformer.use_linear_projection:
        return transformer.proj_in(hidden.flatten(2).transpose(1, 2))
    return transformer.proj_in(hidden).flatten(2).transpose(1, 2)


def picture_of(transformer: Transformer2DModel, tokens: Tensor, residual: Tensor) -> Tensor:
    """Return the transformer's output (R, C, h, w): its last tokens (R, h·w, C) projected, plus its input."""
    if transformer.use_linear_projection:
        return transformer.proj_out(tokens).transpose(1, 2).reshape(residual.shape) + residual
    return transformer.proj_out(tokens.transpose(1, 2).unflatten(2, residual.shape[-2:])) + residual
