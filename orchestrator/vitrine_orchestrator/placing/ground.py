"""What a picture offers as ground: how taken, how busy and how light each part of it is.

All is kept as sums over the upper left of every cell, so a box costs four look-ups whatever its size
(F. Crow, "Summed-area tables for texture mapping", 1984).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.placing.boxes import Box
from vitrine_orchestrator.placing.contrast import linear, luminance

Pixels = NDArray[np.uint8]
Sums = NDArray[np.float64]

MOST_CELLS = 2**18
"""Cells of the grid at most: 512 x 512."""
STRIP = 64
"""Rows of cells that are read at a time, so that no large picture is held in floats."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A picture as a grid of square cells (rows, columns); the sums are (rows + 1, columns + 1)."""

    width: int  # of the picture, in pixels
    height: int
    cell: int  # pixels a side
    kept: NDArray[np.uint8]  # 1: a cell that must stay free, even if only one of its pixels must
    edges: Sums  # mean difference of neighbouring pixels' luminance
    light: Sums  # mean luminance
    light2: Sums  # mean of the squared luminance

    @cached_property
    def taken(self) -> Sums:
        """Cells that must stay free."""
        return cv2.integral(self.kept, sdepth=cv2.CV_64F)

    @property
    def mean_edges(self) -> float:
        """The mean difference over the whole picture."""
        return float(self.edges[-1, -1]) / ((self.edges.shape[0] - 1) * (self.edges.shape[1] - 1))

    def taking(self, boxes: list[Box]) -> Ground:
        """The same ground with these boxes taken too."""
        kept = self.kept.copy()
        for box in boxes:
            inside = box.cut(self.width, self.height)
            rows = slice(inside.top // self.cell, math.ceil(inside.bottom / self.cell))
            kept[rows, inside.left // self.cell : math.ceil(inside.right / self.cell)] = 1
        return replace(self, kept=kept)


def ground_of(picture: Pixels, keep: Pixels | None) -> Ground:
    """The ground of a picture (H, W, 3).

    keep: what must stay free, (H, W); 0 is free.
    """
    height, width = picture.shape[:2]
    cell = max(1, math.ceil(math.sqrt(height * width / MOST_CELLS)))
    strips = [_cells(picture[top : top + STRIP * cell], cell) for top in range(0, height, STRIP * cell)]
    light, light2, edges = (np.concatenate(part) for part in zip(*strips, strict=True))
    kept = np.zeros(light.shape, np.uint8)
    if keep is not None:
        kept = _blocks((keep > 0).view(np.uint8), cell).max(axis=(1, 3))
    return Ground(width, height, cell, kept, _sums(edges), _sums(light), _sums(light2))


def _cells(strip: Pixels, cell: int) -> tuple[NDArray, NDArray, NDArray]:
    """Light, squared light and edges of the cells of some rows."""
    shining = luminance(linear(strip))
    across = np.abs(np.diff(shining, axis=1, append=shining[:, -1:]))
    down = np.abs(np.diff(shining, axis=0, append=shining[-1:]))
    parts = (shining, shining**2, across + down)
    if cell == 1:
        return parts
    light, light2, edges = (_blocks(part, cell).mean(axis=(1, 3)) for part in parts)
    return light, light2, edges


def _blocks(values: NDArray, cell: int) -> NDArray:
    """Values (H, W) as (rows, cell, columns, cell); the last ones are repeated over the edge."""
    over = [(0, -side % cell) for side in values.shape]
    padded = np.pad(values, over, mode="edge")
    return padded.reshape(padded.shape[0] // cell, cell, -1, cell)


def _sums(cells: NDArray) -> Sums:
    """Sums of float32 cells, down the columns first: among equal places, rounding decides."""
    return cv2.transpose(cv2.integral(cv2.transpose(cells), sdepth=cv2.CV_64F))  # it sums rows first
