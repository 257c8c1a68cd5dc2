"""Layers to pixels with clean edges: painted four times as large, then averaged."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_world.shop.outlines import Points
from vitrine_world.shop.palette import INK, PAPER, mixed
from vitrine_world.shop.scene import Layer

Pixels = NDArray[np.uint8]

OVERSAMPLING = 4
SHADE = 0.80
"""Share of light that reaches the side of a thing away from the light."""
INK_SHADE = 0.88
"""The same in a drawing in ink: a light wash."""
GROUND_WASH = 0.12
"""How much of their colour walls and tables keep in a drawing in ink."""
INK_WIDTH = 0.8
"""Width of an ink line, in centi-pictures."""
_SUBPIXEL_BITS = 4  # fillPoly takes fixed-point corners


class Easel:
    """A canvas of OVERSAMPLING × size pixels a side and the ways to paint on it.

    `away` is the direction that shade lies in, +1 right or −1 left. An inked easel draws outlines and
    leaves paper between them; `wash` (0 to 1) is how much of a layer's colour it keeps.
    """

    def __init__(self, size: int, away: int, inked: bool = False, wash: float = 0.0) -> None:
        self.size, self.side, self.away = size, size * OVERSAMPLING, away
        self.inked, self.wash = inked, wash
        self.pixels = np.zeros((self.side, self.side, 3), np.uint8)

    def ground(self, layers: tuple[Layer, ...]) -> None:
        """Paint layers without outlines: on an inked easel paper with a trace of their colour."""
        for layer in layers:
            colour = mixed(PAPER, layer.colour, GROUND_WASH) if self.inked else layer.colour
            cv2.fillPoly(self.pixels, [self.corners(layer.outline)], colour, shift=_SUBPIXEL_BITS)

    def paint(self, layers: tuple[Layer, ...]) -> None:
        """Paint layers from the back to the front, then shade them on the side away from the light."""
        thickness = max(1, round(INK_WIDTH * self.side / 100.0))
        for layer in layers:
            corners = self.corners(layer.outline)
            colour = mixed(PAPER, layer.colour, self.wash) if self.inked else layer.colour
            cv2.fillPoly(self.pixels, [corners], colour, shift=_SUBPIXEL_BITS)
            if self.inked:
                cv2.polylines(self.pixels, [corners], True, INK, thickness, cv2.LINE_8, _SUBPIXEL_BITS)
        for layer in layers:
            if layer.shade:
                self.shade(layer.outline, layer.shade)

    def shade(self, outline: Points, width: float) -> None:
        """Darken the strip of an outline that is within `width` of its edge away from the light."""
        corners = self.corners(outline)
        left, top, right, bottom = self.window(corners)
        if left >= right or top >= bottom:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(
            mask, [corners - (left << _SUBPIXEL_BITS, top << _SUBPIXEL_BITS)], 255, shift=_SUBPIXEL_BITS
        )
        shift = max(1, round(width * self.side / 100.0))
        strip = mask.copy()
        if self.away > 0:
            strip[:, :-shift] &= ~mask[:, shift:]
        else:
            strip[:, shift:] &= ~mask[:, :-shift]
        self._darken(self.pixels[top:bottom, left:right], strip, INK_SHADE if self.inked else SHADE)

    def darken(self, outlines: tuple[Points, ...], light: float, rows: slice) -> None:
        """Leave `light` (0 to 1) of what the outlines cover in these canvas rows, overlaps once."""
        self._darken(self.pixels[rows], self.mask(outlines)[rows], light)

    def row(self, height: float) -> int:
        """Return the canvas row at a height in centi-pictures."""
        return round((1.0 - height / 100.0) * self.side)

    def mask(self, outlines: Iterable[Points]) -> Pixels:
        """Return a mask (side, side) that is 255 where any of the outlines is."""
        mask = np.zeros((self.side, self.side), np.uint8)
        for outline in outlines:
            cv2.fillPoly(mask, [self.corners(outline)], 255, shift=_SUBPIXEL_BITS)
        return mask

    def corners(self, outline: Points) -> NDArray[np.int32]:
        """Convert an outline to fixed-point canvas pixels; pixel centres are at integers."""
        pixels = outline * (0.01, -0.01) * self.side + (-0.5, self.side - 0.5)
        return np.rint(pixels * (1 << _SUBPIXEL_BITS)).astype(np.int32)

    def window(self, corners: NDArray[np.int32]) -> tuple[int, int, int, int]:
        """Return the part of the canvas around the corners: left, top, right, bottom in canvas pixels."""
        low = np.clip((corners.min(axis=0) >> _SUBPIXEL_BITS) - 1, 0, self.side)
        high = np.clip((corners.max(axis=0) >> _SUBPIXEL_BITS) + 2, 0, self.side)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def averaged(self, canvas: Pixels) -> Pixels:
        """Reduce a canvas, (side, side) or (side, side, 3), to the picture's size."""
        return np.asarray(cv2.resize(canvas, (self.size, self.size), interpolation=cv2.INTER_AREA), np.uint8)

    @staticmethod
    def _darken(window: Pixels, mask: Pixels, light: float) -> None:
        table = np.rint(np.arange(256) * light).astype(np.uint8)
        cv2.copyTo(cv2.LUT(window, table), mask, window)
