"""A small classifier that reads from a picture what its prompt asked for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F
from vitrine_world import shop

SIDE = 128
"""Side in px of the pictures that the checker sees; others are resized to it."""

HEADS: Mapping[str, tuple[str, ...]] = {
    "kind": tuple(shop.KINDS),
    "colour": tuple(shop.PRODUCT_COLOURS),
    "trade": tuple(shop.TRADES),
    "light": tuple(shop.SIDES),
    "style": tuple(shop.STYLES),
}
"""What is read, and the names that its classes stand for."""

WIDTHS = (32, 48, 64, 96)
FOLD = 2


class Checker(nn.Module):
    """RGB pictures (R, 3, SIDE, SIDE) in [-1, 1] → logits (R, classes) by head.

    Convolutions that halve the picture, a row and a column of coordinates next to the colours, then the mean
    and the maximum of each channel.
    """

    def __init__(self) -> None:
        super().__init__()
        before, layers = 3 * FOLD**2 + 2, []
        for width in WIDTHS:
            layers += [_layer(before, width, stride=1 if width == WIDTHS[0] else 2), _layer(width, width)]
            before = width
        del layers[1]  # the finest scale has one layer: it costs most
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: _head(2 * before, len(names)) for name, names in HEADS.items()})

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        seen = F.pixel_unshuffle(picture, FOLD)
        hidden = self.body(torch.cat([seen, _coordinates(seen)], dim=1))
        pooled = torch.cat([hidden.mean(dim=(2, 3)), hidden.amax(dim=(2, 3))], dim=1)
        return {name: head(pooled) for name, head in self.heads.items()}

    @torch.no_grad()
    def read(self, pictures: torch.Tensor) -> list[dict[str, str]]:
        """The names read from pictures (R, 3, H, W) in [-1, 1] of any one size, one dict by head for each."""
        if pictures.shape[-2:] != (SIDE, SIDE):
            pictures = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True)
        best = {name: logits.argmax(dim=1).tolist() for name, logits in self(pictures).items()}
        return [{name: HEADS[name][best[name][row]] for name in HEADS} for row in range(len(pictures))]


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


def _head(before: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, 64), nn.ReLU(inplace=True), nn.Linear(64, classes))


def _coordinates(seen: torch.Tensor) -> torch.Tensor:
    """Two channels that run from -1 to 1, across and down."""
    rows, _, height, width = seen.shape
    across = torch.linspace(-1, 1, width, device=seen.device, dtype=seen.dtype).expand(rows, 1, height, width)
    down = torch.linspace(-1, 1, height, device=seen.device, dtype=seen.dtype)[:, None]
    return torch.cat([across, down.expand(rows, 1, height, width)], dim=1)
