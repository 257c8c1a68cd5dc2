"""A block of text as masks: its ink, what is around the ink, and frames behind it, all turned alike."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vitrine_orchestrator.lettering.fitting import Block
from vitrine_orchestrator.placing.boxes import Box

Mask = NDArray[np.float32]
"""(height, width) of a canvas, 0 to 1."""
SHARES = {"left": 0.0, "center": 0.5, "right": 1.0}
"""By alignment: the share of what a line lacks to the longest that is before it."""


@dataclass(frozen=True)
class Canvas:
    """A block with a margin around it: what its masks are drawn on."""

    block: Block
    align: str  # a word of SHARES; of vertical lines, left is the top
    margin: int  # in pixels: room for all that is drawn around the block

    def ink(self, stroke: float = 0.0) -> Mask:
        """The letters, or with a stroke the letters grown by so many pixels."""
        image = Image.new("L", self._size)
        canvas = ImageDraw.Draw(image)
        for line, (x, y) in zip(self.block.lines, self._origins(), strict=True):
            self.block.setting.draw(canvas, line, x, y, stroke)
        return self._turned(image)

    def frame(self, grow: float, radius: float = 0.0) -> Mask:
        """The block's rectangle, grown by so many pixels on each side, with round corners."""
        image = Image.new("L", self._size)
        width, height = self._size
        inset = self.margin - grow
        corners = (inset, inset, width - 1 - inset, height - 1 - inset)
        ImageDraw.Draw(image).rounded_rectangle(corners, radius, fill=255)
        return self._turned(image)

    def place(self, box: Box) -> Box:
        """Where the canvas lies in the picture when the block stands in a box: their middles are the same."""
        height, width = self._turned(Image.new("L", self._size)).shape
        left = box.left + (box.width - width) // 2
        top = box.top + (box.height - height) // 2
        return Box(left, top, left + width, top + height)

    def line_boxes(self, box: Box) -> list[Box]:
        """Where the ink of each line is in the picture; none for a turned block."""
        if self.block.shape.rotation:
            return []
        left, top = box.left - self.margin, box.top - self.margin
        return [
            Box(*ink).moved(left + x, top + y)
            for ink, (x, y) in zip(self.block.inks, self._origins(), strict=True)
        ]

    @property
    def _size(self) -> tuple[int, int]:
        width, height = self.block.flat
        return width + 2 * self.margin, height + 2 * self.margin

    def _origins(self) -> list[tuple[int, int]]:
        """The origin of each line on the canvas."""
        block, start = self.block, self.margin + self.block.edge
        room = max(last - first for first, last in map(block.extent, block.inks))
        origins = []
        for index, ink in enumerate(block.inks):
            first, last = block.extent(ink)
            along = start + round((room - (last - first)) * SHARES[self.align]) - first
            if block.setting.script.vertical:
                rightmost = self._size[0] - start - block.inks[0][2]
                origins.append((rightmost - index * block.pitch, along))
            else:
                origins.append((along, start - block.inks[0][1] + index * block.pitch))
        return origins

    def _turned(self, image: Image.Image) -> Mask:
        degrees = self.block.shape.rotation
        if degrees:
            image = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        return np.asarray(image, np.float32) / np.float32(255)


def soft(mask: Mask, deviation: float) -> Mask:
    """The mask blurred by a Gaussian; unchanged for a deviation under a tenth of a pixel."""
    return mask if deviation < 0.1 else cv2.GaussianBlur(mask, (0, 0), deviation)


def moved(mask: Mask, right: float, down: float) -> Mask:
    """The mask moved by whole pixels; what leaves the canvas is lost."""
    shift = np.array([[1, 0, round(right)], [0, 1, round(down)]], np.float32)
    return cv2.warpAffine(mask, shift, (mask.shape[1], mask.shape[0]), flags=cv2.INTER_NEAREST)
