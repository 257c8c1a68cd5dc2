"""The small checkpoint's networks in place of YOLOX and DWPose, with the inputs and outputs of their files.

The detector scores and places boxes of people in a letterboxed picture. The pose network is the small body
network behind DWPose's interface: it finds 17 joints of the body in the crop of one person; the feet, face
and hands of COCO-WholeBody's 133 points are never seen.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from vitrine_orchestrator.fashn import dwpose

from vitrine_export.person_nets.body_pose import BodyPose

STRIDES = (8, 16, 32)
QUARTER = 4
"""The detector looks at means of so many pixels a side: people fill their pictures."""
WIDTHS = (16, 24, 32, 48, 48)
"""Channels at an eighth, a sixteenth, … of the detector's square."""
VALUES = 6
"""Of one cell: x, y, log width and log height in cells, the score that it is an object, and of a person."""
RARE = -5.0
"""The first bias of the score: hardly any cell has a person."""

COCO_OF_OPENPOSE = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
"""The row of OpenPose's 18 joints for each of COCO's 17."""
POINTS = 133
BINS = (576, 768)
FAINT = 1e-3
"""Heat below which no joint is sought; the logarithm needs a positive number."""
CUTS = ((0, 0), (20, 15), (44, 33))
"""Rows and columns of the crop that are cut off at each edge. The body network knows people that fill nine
tenths of the height; in a crop they fill eight if the detector's box is exact. The surest look counts."""
SEEN_SIZE, STRIDE = (184, 136), 8
"""Height and width at which the body network sees the rest, and its pixels for one cell of heat."""


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class DollDetector(nn.Module):
    """YOLOX's interface: BGR (R, 3, 640, 640) float32 in 0…255 → cells (R, 8400, 6), strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _layer(3 * 4, WIDTHS[0])
        self.down = nn.ModuleList(nn.Sequential(_layer(a, b, 2), _layer(b, b)) for a, b in pairwise(WIDTHS))
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(WIDTHS))
        self.smooth = nn.ModuleList(_layer(a, a) for a in WIDTHS[:-1])
        self.heads = nn.ModuleList(nn.Conv2d(width, VALUES - 1, 1) for width in WIDTHS[: len(STRIDES)])
        for head in self.heads:
            nn.init.constant_(head.bias[VALUES - 2 :], RARE)

    def logits(self, quarter: torch.Tensor) -> torch.Tensor:
        """Cells (R, 8400, 5), box and the logit of the object's score, from (R, 3, 160, 160) in 0…255."""
        scales = [self.stem(F.pixel_unshuffle(quarter / 127.5 - 1.0, 2))]
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
        cells = self.logits(F.avg_pool2d(image, QUARTER))
        return torch.cat((cells[..., :4], cells[..., 4:].sigmoid(), torch.ones_like(cells[..., :1])), dim=-1)


class DollJoints(nn.Module):
    """DWPose's interface: normalised crop (R, 3, 384, 288) → SimCC scores (R, 133, 576) and (R, 133, 768).

    The score of a column is the body network's highest heat in it. A heat map is a Gaussian about a joint, so
    its logarithm is a parabola: between cells it is interpolated there, where cubics are exact.
    """

    def __init__(self, body: BodyPose) -> None:
        super().__init__()
        self.body = body
        for name, values in (("mean", dwpose.MEAN), ("deviation", dwpose.DEVIATION)):
            self.register_buffer(name, torch.from_numpy(values).view(3, 1, 1), persistent=False)
        for number, (top, left) in enumerate(CUTS):
            for name, axis, cut in (("columns", 1, left), ("rows", 0, top)):
                cells, bins = SEEN_SIZE[axis] // STRIDE, BINS[1 - axis]
                self.register_buffer(f"{name}_{number}", _cubics(cells, bins, cut), persistent=False)

    def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        image = (crop * self.deviation + self.mean) / 256 - 0.5
        across, down = [], []
        for number, (top, left) in enumerate(CUTS):
            middle = image[..., top : image.shape[-2] - top, left : image.shape[-1] - left]
            seen = F.interpolate(middle, SEEN_SIZE, mode="bilinear", align_corners=False)
            heat = self.body(seen)[1][:, list(COCO_OF_OPENPOSE)].clamp(min=FAINT)
            across.append(_grown(heat.amax(dim=2), getattr(self, f"columns_{number}")))
            down.append(_grown(heat.amax(dim=3), getattr(self, f"rows_{number}")))
        return _joined(across), _joined(down)


def _grown(profile: torch.Tensor, cubics: torch.Tensor) -> torch.Tensor:
    """Heat (R, 17, cells) at every bin; none where the bins were cut off."""
    return (profile.log() @ cubics).exp() * cubics.any(dim=0)


def _joined(looks: list[torch.Tensor]) -> torch.Tensor:
    """The highest of several looks, with rows for the points that are never seen."""
    best = torch.stack(looks).amax(dim=0)
    return F.pad(best, (0, 0, 0, POINTS - len(COCO_OF_OPENPOSE)))


def _cubics(cells: int, bins: int, cut: int) -> torch.Tensor:
    """The matrix (cells, bins) that interpolates between cells of a crop's side with `cut` px off its ends.

    The columns of bins that are cut off are 0.

    Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), with a = -1/2.
    """
    pixels = bins / dwpose.SIMCC_BINS - 2 * cut
    places = (torch.arange(bins) / dwpose.SIMCC_BINS + 0.5 - cut) * cells / pixels - 0.5
    inside = (places >= -0.5) & (places <= cells - 0.5)
    first = places.floor().long()
    matrix = torch.zeros(cells, bins)
    for step in range(-1, 3):
        distance = (places - (first + step)).abs()
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        row = (first + step).clamp(0, cells - 1)
        share = torch.where(distance <= 1, near, far)
        matrix.index_put_((row, torch.arange(bins)), share * inside, accumulate=True)
    return matrix
