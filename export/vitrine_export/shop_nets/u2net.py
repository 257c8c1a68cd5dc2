"""U²-Net: Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection" (2020).

A U-Net of eleven stages, each a small U-Net itself (section 3.1, figure 2). Widths are data.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Widths:
    """Channels of the six encoder stages, inside and out; decoder stages repeat those of their level."""

    inner: tuple[int, int, int, int, int, int]
    outer: tuple[int, int, int, int, int, int]
    decoder_inner: tuple[int, int, int, int, int]
    decoder_outer: tuple[int, int, int, int, int]


RELEASED = Widths(
    (32, 32, 64, 128, 256, 256),
    (64, 128, 256, 512, 512, 512),
    (16, 32, 64, 128, 256),
    (64, 64, 128, 256, 512),
)
"""U²-Net of the paper, 44.0 M parameters (section 3.2, table 1)."""
RELEASED_SMALL = Widths((16,) * 6, (64,) * 6, (16,) * 5, (64,) * 5)
"""U²-Net† of the paper, 1.13 M parameters."""
SHOP = Widths((8,) * 6, (12, 16, 24, 24, 24, 24), (8,) * 5, (12, 16, 16, 24, 24))
"""The paper shop's, 0.21 M parameters."""

HEIGHTS = (7, 6, 5, 4)
"""Layers of the small U-Nets at the first four levels; the two deepest levels dilate instead of pooling."""
DILATIONS = (1, 2, 4, 8)


class U2Net(nn.Module):
    """Normalised pictures (R, 3, H, W) → seven alphas (R, 1, H, W) in 0 to 1: the fused, then by level."""

    def __init__(self, widths: Widths = SHOP) -> None:
        super().__init__()
        inner, outer = widths.inner, widths.outer
        down = zip((3, *outer), inner, outer, strict=False)
        self.down = nn.ModuleList(_block(level, *sizes) for level, sizes in enumerate(down))
        below = (*widths.decoder_outer[1:], outer[5])
        up = zip(below, outer[:5], widths.decoder_inner, widths.decoder_outer, strict=True)
        self.up = nn.ModuleList(
            _block(level, deep + side, mid, out) for level, (deep, side, mid, out) in enumerate(up)
        )
        self.side = nn.ModuleList(
            nn.Conv2d(width, 1, 3, padding=1) for width in (*widths.decoder_outer, outer[5])
        )
        self.fuse = nn.Conv2d(6, 1, 1)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(torch.sigmoid(logits) for logits in self.logits(picture))

    def logits(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the seven outputs before their sigmoid."""
        levels: list[torch.Tensor] = []
        hidden = picture
        for block in self.down:
            hidden = block(F.max_pool2d(hidden, 2, ceil_mode=True) if levels else hidden)
            levels.append(hidden)
        answers = [levels.pop()]
        for block, level in zip(reversed(self.up), reversed(levels), strict=True):
            answers.append(block(torch.cat([_grown(answers[-1], level), level], dim=1)))
        sides = [_grown(conv(seen), picture) for conv, seen in zip(self.side, reversed(answers), strict=True)]
        return (self.fuse(torch.cat(sides, dim=1)), *sides)


class Layer(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, before: int, after: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.conv(seen)), inplace=True)


class Pooling(nn.Module):
    """RSU-L of the paper: `height` layers that pool on the way down, and as many on the way up."""

    def __init__(self, height: int, before: int, inner: int, after: int) -> None:
        super().__init__()
        self.first = Layer(before, after)
        self.down = nn.ModuleList(Layer(after if not index else inner, inner) for index in range(height - 1))
        self.bottom = Layer(inner, inner, dilation=2)
        self.up = nn.ModuleList(Layer(2 * inner, inner if index else after) for index in range(height - 1))

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        first = self.first(seen)
        levels = [self.down[0](first)]
        for layer in self.down[1:]:
            levels.append(layer(F.max_pool2d(levels[-1], 2, ceil_mode=True)))
        hidden = self.bottom(levels[-1])
        for layer, level in zip(reversed(self.up), reversed(levels), strict=True):
            hidden = layer(torch.cat([_grown(hidden, level), level], dim=1))
        return hidden + first


class Dilating(nn.Module):
    """RSU-4F of the paper: dilations take the place of pooling, so the size stays."""

    def __init__(self, before: int, inner: int, after: int) -> None:
        super().__init__()
        self.first = Layer(before, after)
        widths = (after, *[inner] * len(DILATIONS))
        self.down = nn.ModuleList(
            Layer(a, b, dilation) for a, b, dilation in zip(widths, widths[1:], DILATIONS, strict=False)
        )
        self.up = nn.ModuleList(
            Layer(2 * inner, inner if index else after, dilation)
            for index, dilation in enumerate(DILATIONS[:-1])
        )

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        first = self.first(seen)
        hidden, levels = first, []
        for layer in self.down:
            hidden = layer(hidden)
            levels.append(hidden)
        for layer, level in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            hidden = layer(torch.cat([hidden, level], dim=1))
        return hidden + first


def _block(level: int, before: int, inner: int, after: int) -> nn.Module:
    if level < len(HEIGHTS):
        return Pooling(HEIGHTS[level], before, inner, after)
    return Dilating(before, inner, after)


def _grown(seen: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Resize `seen` to the height and width of `like`."""
    return F.interpolate(seen, like.shape[-2:], mode="bilinear", align_corners=False)


def parameters(net: nn.Module) -> int:
    """Return the number of trained weights."""
    return sum(weight.numel() for weight in net.parameters())
