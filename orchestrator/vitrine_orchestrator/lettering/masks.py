"""A block of text as masks: its ink, what is around the ink, and frames behind it, all turned alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vitrine_orchestrator.lettering.fitting import Block
from vitrine_orchestrator.placing.boxes import Box

Drawn = NDArray[np.uint8]
"""(height, width) of a canvas, 0 to 255: a quarter of a mask's memory, as canvases are large."""
Mask = NDArray[np.float32]
"""(height, width), 0 to 1."""
SHARES = {"left": 0.0, "center": 0.5, "right": 1.0}
"""By alignment: the share of what a line lacks to the longest that is before it."""

REDUCED_DEVIATION = 8
"""The least deviation, in pixels of the reduced mask, to which a blur is brought."""
RESAMPLING = 1 / 12 + 1 / 6
"""The variance, in pixels of the reduced mask, that reducing and enlarging it add."""


@dataclass(frozen=True)
class Canvas:
    """A block with a margin around it: what its masks are drawn on."""

    block: Block
    align: str  # a word of SHARES; of vertical lines, left is the top
    margin: int  # in pixels: room for all that is drawn around the block

    def ink(self, stroke: float = 0.0) -> Drawn:
        """The letters, or with a stroke the letters grown by so many pixels."""
        image = Image.new("L", self._size)
        canvas = ImageDraw.Draw(image)
        for line, (x, y) in zip(self.block.lines, self._origins(), strict=True):
            self.block.setting.draw(canvas, line, x, y, stroke)
        return self._turned(image)

    def frame(self, grow: float, radius: float = 0.0) -> Drawn:
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

    def _turned(self, image: Image.Image) -> Drawn:
        degrees = self.block.shape.rotation
        if degrees:
            image = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        return np.asarray(image)


def mask_of(drawn: Drawn) -> Mask:
    """What is drawn as a mask."""
    return drawn.astype(np.float32) / np.float32(255)


def soft(drawn: Drawn, deviation: float, beyond: int = cv2.BORDER_CONSTANT) -> Mask:
    """What is drawn, blurred by a Gaussian; unchanged for a deviation under a tenth of a pixel.

    beyond: what is around it, as OpenCV's borders; by default nothing. A large blur is done at a
    reduced scale, of which nothing can be seen in the result: its time does not grow with the deviation.
    """
    if deviation < 0.1:
        return mask_of(drawn)
    scale = int(deviation / REDUCED_DEVIATION)
    if scale < 2:
        return cv2.GaussianBlur(mask_of(drawn), (0, 0), deviation, borderType=beyond)
    height, width = drawn.shape
    whole = cv2.copyMakeBorder(drawn, 0, -height % scale, 0, -width % scale, beyond)
    small = cv2.resize(whole, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    less = math.sqrt((deviation / scale) ** 2 - RESAMPLING)
    small = cv2.GaussianBlur(mask_of(small), (0, 0), less, borderType=beyond)
    large = cv2.resize(small, whole.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return large[:height, :width]


def moved(drawn: Drawn, right: float, down: float) -> Drawn:
    """What is drawn, moved by whole pixels; what leaves the canvas is lost."""
    shift = np.array([[1, 0, round(right)], [0, 1, round(down)]], np.float32)
    return cv2.warpAffine(drawn, shift, (drawn.shape[1], drawn.shape[0]), flags=cv2.INTER_NEAREST)
