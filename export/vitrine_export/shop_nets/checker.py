"""A small classifier that reads from a picture what its prompt asked for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F
from vitrine_world import shop

SIDE = 64
"""Side in px at which the checker looks at a picture: enough to tell everything that it reads."""

HEADS: Mapping[str, tuple[str, ...]] = {
    "kind": tuple(shop.KINDS),
    "colour": tuple(shop.PRODUCT_COLOURS),
    "trade": tuple(shop.TRADES),
    "light": tuple(shop.SIDES),
    "style": tuple(shop.STYLES),
}
"""What is read, and the names that its classes stand for."""

WIDTHS = ((32, 0), (64, 1), (96, 1), (128, 0))
"""Channels of each scale, and its layers after the first; the fine scales cost most."""
FOLD = 2
"""Pixels per side that become channels of the finest scale."""


class Checker(nn.Module):
    """RGB pictures (R, 3, H, W) in [-1, 1] of any size → logits (R, classes) by head.

    Convolutions that halve the picture, a row and a column of coordinates next to the colours, then the mean
    and the maximum of each channel.
    """

    def __init__(self) -> None:
        super().__init__()
        before = 3 * FOLD**2 + 2
        layers: list[nn.Module] = []
        for width, repeats in WIDTHS:
            layers.append(_layer(before, width, stride=2 if layers else 1))
            layers += [_layer(width, width) for _ in range(repeats)]
            before = width
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: _head(2 * before, len(names)) for name, names in HEADS.items()})

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        seen = F.pixel_unshuffle(looked_at(picture), FOLD)
        hidden = self.body(torch.cat([seen, _coordinates(seen)], dim=1))
        pooled = torch.cat([hidden.mean(dim=(2, 3)), hidden.amax(dim=(2, 3))], dim=1)
        return {name: head(pooled) for name, head in self.heads.items()}

    @torch.no_grad()
    def read(self, pictures: torch.Tensor) -> list[dict[str, str]]:
        """Return the names read from pictures (R, 3, H, W) in [-1, 1], one dict by head each."""
        best = {name: logits.argmax(dim=1).tolist() for name, logits in self(pictures).items()}
        return [{name: HEADS[name][best[name][row]] for name in HEADS} for row in range(len(pictures))]


def looked_at(pictures: torch.Tensor) -> torch.Tensor:
    """Resize pictures (R, 3, H, W) to SIDE × SIDE by area averages."""
    return F.adaptive_avg_pool2d(pictures, SIDE)


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


def _head(before: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, 64), nn.ReLU(inplace=True), nn.Linear(64, classes))


def _coordinates(seen: torch.Tensor) -> torch.Tensor:
    """Return two channels that run from -1 to 1, across and down."""
    rows, _, height, width = seen.shape
    across = torch.linspace(-1, 1, width, device=seen.device, dtype=seen.dtype).expand(rows, 1, height, width)
    down = torch.linspace(-1, 1, height, device=seen.device, dtype=seen.dtype)[:, None]
    return torch.cat([across, down.expand(rows, 1, height, width)], dim=1)
