"""The paper-doll checkpoint's segmenters: one encoder-decoder in place of SCHP and of DensePose.

Their inputs, outputs and sizes are those of the released files, so the stages need no other code.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

WIDTHS = (32, 48, 64, 64, 64)
FOLD = 2
"""Pixels per side of the half-size picture that the finest scale holds as channels of one cell (Shi et al.,
"Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel CNN", 2016)."""


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class Segmenter(nn.Module):
    """Maps pictures (R, 3, H, W) to logits (R, labels, ⌈H/2⌉, ⌈W/2⌉): a U-shaped net of five scales.

    The first and the last logits of an axis belong to the first and the last pixel of the picture.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        first, *rest = WIDTHS
        self.stem = nn.Sequential(_layer(3 * FOLD**2, first), _layer(first, first))
        pairs = zip(WIDTHS, rest, strict=False)
        self.down = nn.ModuleList(nn.Sequential(_layer(a, b, 2), _layer(b, b)) for a, b in pairs)
        self.lateral = nn.ModuleList(nn.Conv2d(a, a, 1) for a in WIDTHS[:-1])
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(WIDTHS, rest, strict=False))
        self.smooth = nn.ModuleList(_layer(a, a) for a in WIDTHS[:-1])
        self.head = nn.Conv2d(first, labels * FOLD**2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = ((side + 1) // 2 for side in image.shape[-2:])
        seen = F.interpolate(image, (height, width), mode="bilinear", align_corners=True)
        seen = F.pad(seen, (0, -width % FOLD, 0, -height % FOLD))
        scales = [self.stem(F.pixel_unshuffle(seen, FOLD))]
        for down in self.down:
            scales.append(down(scales[-1]))
        hidden = scales.pop()
        for index in reversed(range(len(self.down))):
            skip = scales[index]
            hidden = F.interpolate(self.narrow[index](hidden), skip.shape[-2:], mode="bilinear")
            hidden = self.smooth[index](hidden + self.lateral[index](skip))
        return F.pixel_shuffle(self.head(hidden), FOLD)[..., :height, :width]


class Parsing(nn.Module):
    """The interface of SCHP: normalised BGR (R, 3, S, S) → (edges, logits); output 1 is read."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.segmenter = Segmenter(labels)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.segmenter(image)
        blurred = F.avg_pool2d(logits, 3, stride=1, padding=1, count_include_pad=False)
        return (logits - blurred).abs().amax(dim=1, keepdim=True), logits


class DensePose(nn.Module):
    """DensePose's interface: RGB picture (R, 512, 384, 3) uint8 → labels (R, 512, 384) uint8, 0 to 24."""

    def __init__(self) -> None:
        super().__init__()
        self.segmenter = Segmenter(25)

    def logits(self, picture: torch.Tensor) -> torch.Tensor:
        """Return part logits (R, 25, 256, 192) for RGB pictures (R, 512, 384, 3) uint8."""
        return self.segmenter(picture.permute(0, 3, 1, 2).float() / 127.5 - 1.0)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        logits = F.interpolate(self.logits(picture), picture.shape[1:3], mode="bilinear", align_corners=True)
        return logits.argmax(dim=1).to(torch.uint8)
