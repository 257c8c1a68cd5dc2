"""Where products can stand in a scene: the far edge of the ground, and the line in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.pictures import Picture

ROWS = 192
"""Rows of the scene that is looked at."""
HIGHEST, LOWEST = 0.42, 0.85
"""Where the far edge of a ground may be, as shares of the scene's height."""
STEP = 3
"""Rows between the pixels that are compared."""
CLEAR, PLAIN = 2.0, 3.0
"""A far edge changes by at least CLEAR in Lab, and PLAIN times as much as three of four rows do."""
DEPTH = 0.5
"""How far in front of the far edge products stand, as a share of the ground that is seen."""
USUAL = 0.84
"""The base line in a scene without a far edge, as a share of its height."""


@dataclass(frozen=True)
class Ground:
    """The ground of a scene, in shares of its height."""

    horizon: float | None  # its far edge; None: none is seen
    y: float  # the base line of products

    @property
    def top(self) -> float:
        """The highest base line on the ground."""
        return 0.0 if self.horizon is None else self.horizon


def ground_in_front(horizon: float | None, margin: float, asked: float | None = None) -> Ground:
    """The ground in front of a scene's far edge; with the base line that is asked for, if any.

    A found base line is below the far edge and keeps the margin to the scene's lower edge.
    """
    if asked is not None:
        return Ground(horizon, asked)
    y = USUAL if horizon is None else horizon + DEPTH * (1 - horizon)
    return Ground(horizon, min(y, 1 - margin))


def horizon_of(scene: Picture) -> float | None:
    """The far edge of a scene's ground (height, width, 3), as a share of its height.

    It is the row over which most columns change most. None where none stands out.
    """
    change = row_changes(scene)
    rows = len(change)
    first, last = round(HIGHEST * rows), round(LOWEST * rows)
    if last - first < STEP:
        return None
    row = first + int(np.argmax(change[first:last]))
    if change[row] < max(CLEAR, PLAIN * float(np.percentile(change, 75))):
        return None
    return (row + STEP / 2) / (rows + STEP)


def row_changes(scene: Picture) -> NDArray[np.float32]:
    """For each row the change of colour to the one STEP rows below, of the middle column by that change."""
    height, width = scene.shape[:2]
    size = max(1, min(width, ROWS)), max(1, min(height, ROWS))
    small = cv2.resize(scene, size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    if len(lab) <= STEP:
        return np.zeros(0, np.float32)
    differences = np.linalg.norm(lab[STEP:] - lab[:-STEP], axis=2)
    return np.median(differences, axis=1).astype(np.float32)
