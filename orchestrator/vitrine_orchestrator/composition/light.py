"""Which side a scene's light comes from, by how its surfaces get darker from one side to the other."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vitrine_orchestrator.composition.linear_light import DARK, log_luminance
from vitrine_orchestrator.composition.settings import LightWord, Side
from vitrine_orchestrator.pictures import Picture

SIDE = 96
"""Pixels of the longer side of the scene that is looked at."""
APART = 8
"""Columns between the pixels that are compared."""
EDGE = 0.15
"""Pixels whose log-luminances differ by more are of different surfaces."""
WEAK = 0.08
"""A smaller change of log-luminance across the scene shows no side."""
LEAST = 64
"""Fewer pairs of pixels on one surface show no side."""
WHITE = 0.97
"""Brighter pixels are cut off: they tell nothing of the light."""


@dataclass(frozen=True)
class SceneLight:
    """The light of a scene."""

    side: Side
    slope: float  # change of log-luminance from the left edge to the right one; below 0: light from the left

    @property
    def away(self) -> int:
        """Where shadows fall: 1 to the right, -1 to the left, 0 below."""
        return AWAY[self.side]


AWAY: dict[Side, int] = {"left": 1, "right": -1, "centre": 0}


def light_of_slope(slope: float, asked: LightWord = "auto") -> SceneLight:
    """The light of a scene with that slope; from the side that is asked for, unless that is "auto"."""
    if asked != "auto":
        return SceneLight(asked, slope)
    if abs(slope) < WEAK:
        return SceneLight("centre", slope)
    return SceneLight("left" if slope < 0 else "right", slope)


def slope_of(scene: Picture) -> float:
    """The slope of a scene's light (height, width, 3): see SceneLight.

    Every pixel is compared with the one APART columns further. Pairs across an edge are left out; the median
    of the others is the light's own slope, because a surface has one colour.
    """
    height, width = scene.shape[:2]
    shrink = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    logs = log_luminance(cv2.resize(scene, size, interpolation=cv2.INTER_AREA))
    differences = logs[:, APART:] - logs[:, :-APART]
    seen = (logs > np.log(DARK)) & (logs < np.log(WHITE))
    same = (np.abs(differences) < EDGE) & seen[:, APART:] & seen[:, :-APART]
    if same.sum() < LEAST:
        return 0.0
    return float(np.median(differences[same])) / APART * size[0]
