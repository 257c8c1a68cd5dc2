"""How much of a scene would be covered at a place: products stand where little is to be seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.pictures import Picture

SIDE = 160
"""Pixels of the longer side of the scene that is looked at."""
MOST = 4.0
"""The most that one pixel counts, in means of the scene."""


@dataclass(frozen=True, eq=False)
class Clutter:
    """What a scene shows, summed so that any box is read at once."""

    sums: NDArray[np.float64]  # integral image
    scale: float  # its pixels in one pixel of the scene

    def mean(self, left: float, top: float, right: float, bottom: float) -> float:
        """The mean in a box of the scene's pixels: 1 is the scene's own; 0 where the box is outside."""
        height, width = self.sums.shape[0] - 1, self.sums.shape[1] - 1
        columns = [min(max(round(x * self.scale), 0), width) for x in (left, right)]
        rows = [min(max(round(y * self.scale), 0), height) for y in (top, bottom)]
        area = (columns[1] - columns[0]) * (rows[1] - rows[0])
        if area <= 0:
            return 0.0
        (x0, x1), (y0, y1) = columns, rows
        return float(self.sums[y1, x1] - self.sums[y0, x1] - self.sums[y1, x0] + self.sums[y0, x0]) / area


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of a scene, small."""

    strength: NDArray[np.float32]  # (rows, columns), in means of the scene, MOST at most
    scale: float  # its pixels in one pixel of the scene


def edges_of(scene: Picture) -> Edges:
    """The edges of a scene (height, width, 3)."""
    height, width = scene.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = cv2.cvtColor(cv2.resize(scene, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, ksize=3) for dx in (1, 0))
    edges = np.hypot(across, down)
    return Edges(np.minimum(edges / max(float(edges.mean()), 1e-3), MOST), scale)


def clutter_of(edges: Edges, taken: NDArray[np.uint8] | None = None) -> Clutter:
    """What a scene with these edges shows. Pixels of `taken` (height, width) count the most."""
    strength = edges.strength
    if taken is not None:
        covered = cv2.resize(taken, strength.shape[::-1], interpolation=cv2.INTER_AREA) > 0
        strength = np.where(covered, np.float32(MOST), strength)
    return Clutter(cv2.integral(strength, sdepth=cv2.CV_64F), edges.scale)
