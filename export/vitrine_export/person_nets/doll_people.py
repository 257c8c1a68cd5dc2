"""The small checkpoint's networks in place of YOLOX and DWPose, with the inputs and outputs of their files.

The detector scores and places boxes of people in a letterboxed picture. The pose network finds 17 joints of
the body in the crop of one person; the feet, face and hands of COCO-WholeBody's 133 points are never seen.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from vitrine_export.person_nets.segmenter import Segmenter

STRIDES = (8, 16, 32)
WIDTHS = (24, 32, 48, 64, 64)
"""Channels at an eighth, a sixteenth, … of the detector's square."""
VALUES = 6
"""Of one cell: x, y, log width and log height in cells, the score that it is an object, and of a person."""

BODY, POINTS = 17, 133
BINS = (576, 768)
PEAK_CELLS = 1.5
"""The standard deviation of a joint's wanted distribution, in cells of half the crop's size."""


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class DollDetector(nn.Module):
    """YOLOX's interface: BGR (R, 3, 640, 640) float32 in 0…255 → cells (R, 8400, 6), strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _layer(3 * 16, WIDTHS[0])
        self.down = nn.ModuleList(nn.Sequential(_layer(a, b, 2), _layer(b, b)) for a, b in pairwise(WIDTHS))
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(WIDTHS))
        self.smooth = nn.ModuleList(_layer(a, a) for a in WIDTHS[:-1])
        self.heads = nn.ModuleList(nn.Conv2d(width, VALUES - 1, 1) for width in WIDTHS[: len(STRIDES)])

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """Cells (R, 8400, 5): box, and the logit of the object's score."""
        half = F.avg_pool2d(image / 127.5 - 1.0, 2)
        scales = [self.stem(F.pixel_unshuffle(half, 4))]
        for down in self.down:
            scales.append(down(scales[-1]))
        hidden, found = scales.pop(), []
        for index in reversed(range(len(self.down))):
            skip = scales[index]
            grown = F.interpolate(self.narrow[index](hidden), skip.shape[-2:], mode="nearest")
            hidden = self.smooth[index](grown + skip)
            if index < len(STRIDES):
                found.append(self.heads[index](hidden).flatten(2).transpose(1, 2))
        return torch.cat(found[::-1], dim=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        cells = self.logits(image)
        return torch.cat((cells[..., :4], cells[..., 4:].sigmoid(), torch.ones_like(cells[..., :1])), dim=-1)


class DollJoints(nn.Module):
    """DWPose's interface: normalised crop (R, 3, 384, 288) → SimCC scores (R, 133, 576) and (R, 133, 768).

    The score of a column is the share of the joint's distribution in it, divided by what a sure joint has at
    its peak: about 1 for a joint that is seen, nearly 0 for one that is not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.segmenter = Segmenter(BODY)

    def logits(self, crop: torch.Tensor) -> torch.Tensor:
        """Unnormalised log probabilities of each joint's place, (R, 17, 192, 144)."""
        return self.segmenter(crop)

    def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.logits(crop)
        shares = logits.flatten(2).softmax(dim=-1).unflatten(2, logits.shape[2:])
        return self._scores(shares.sum(dim=2), BINS[0]), self._scores(shares.sum(dim=3), BINS[1])

    def _scores(self, shares: torch.Tensor, bins: int) -> torch.Tensor:
        sure = shares * (PEAK_CELLS * (2 * torch.pi) ** 0.5)
        grown = F.interpolate(sure, bins, mode="linear", align_corners=True)
        return F.pad(grown, (0, 0, 0, POINTS - BODY))
