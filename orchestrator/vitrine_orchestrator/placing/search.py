"""The best free box of a size on a ground, and the same measures for boxes that somebody proposes.

The cost of a box joins what is close that must stay free, how busy its ground is, how little the ink would
stand out, and how far from the middle it stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.placing.boxes import Box
from vitrine_orchestrator.placing.contrast import Colour, luminance_of
from vitrine_orchestrator.placing.ground import Ground, Sums

NEAR, BUSY, FAINT, ASIDE = 1.0, 0.15, 0.5, 0.15
"""Weights: what must stay free close by, busy ground, little contrast, distance from the middle."""
PLENTY = 7.0
"""The contrast from which more is no better."""
PLACES = 96
"""Positions that are tried across, and down, at most."""


@dataclass(frozen=True)
class Place:
    """A box and what speaks against it."""

    box: Box
    cost: float
    overlap: float  # share of the box, with its rim, that must stay free


def best_place(
    ground: Ground, width: int, height: int, region: Box, rim: int, inks: Sequence[Colour]
) -> Place | None:
    """The free box of that size with the least cost, inside a region; None where there is none.

    rim: pixels around the box that must be free too, except over the picture's edge.
    """
    lefts = _starts(region.left, region.right - width)
    tops = _starts(region.top, region.bottom - height)
    if not (len(lefts) and len(tops)):
        return None
    left, top = lefts[None], tops[:, None]
    costs, overlaps = _costs(ground, left, top, left + width, top + height, rim, inks)
    costs[overlaps > 0] = np.inf
    row, column = np.unravel_index(np.argmin(costs), costs.shape)
    if not np.isfinite(costs[row, column]):
        return None
    corner = int(lefts[column]), int(tops[row])
    return Place(Box(*corner, corner[0] + width, corner[1] + height), float(costs[row, column]), 0.0)


def measured(ground: Ground, boxes: Sequence[Box], rim: int, inks: Sequence[Colour]) -> list[Place]:
    """The same measures for given boxes, in order."""
    if not boxes:
        return []
    sides = [np.array(side)[None] for side in zip(*(box.numbers for box in boxes), strict=True)]
    costs, overlaps = _costs(ground, sides[0], sides[1], sides[2], sides[3], rim, inks)
    return [
        Place(box, float(cost), float(overlap))
        for box, cost, overlap in zip(boxes, costs[0], overlaps[0], strict=True)
    ]


def _starts(first: int, last: int) -> NDArray[np.int64]:
    """Positions from the first to the last, PLACES at most; empty where the last is before the first."""
    return np.arange(first, last + 1, max(1, math.ceil((last - first + 1) / PLACES)))


def _costs(
    ground: Ground,
    left: NDArray,
    top: NDArray,
    right: NDArray,
    bottom: NDArray,
    rim: int,
    inks: Sequence[Colour],
) -> tuple[NDArray, NDArray]:
    """Cost and overlap of boxes, by the sides' common shape: across and down may be axes of their own."""
    boxes = _cells(ground, left, top, right, bottom)
    light = boxes.mean(ground.light)
    spread = np.sqrt(np.maximum(boxes.mean(ground.light2) - light**2, 0))
    busy = boxes.mean(ground.edges) / max(ground.mean_edges, 1e-6)
    faint = np.maximum(0, 1 - _contrast(light, spread, inks) / PLENTY)
    aside = np.abs((left + right) / 2 / ground.width - 0.5)
    near, overlap = (
        _cells(ground, left - by, top - by, right + by, bottom + by).mean(ground.taken)
        for by in (3 * rim, rim)
    )
    return NEAR * near + BUSY * busy + FAINT * faint + ASIDE * aside, overlap


def _contrast(light: NDArray, spread: NDArray, inks: Sequence[Colour]) -> NDArray:
    """The best ink's contrast on a ground that is one deviation lighter, or darker, than its mean."""
    best = np.ones_like(light)
    for ink in map(luminance_of, inks):
        above = (ink + 0.05) / (light + spread + 0.05)
        below = (np.maximum(light - spread, 0) + 0.05) / (ink + 0.05)
        best = np.maximum(best, np.maximum(above, below))
    return best


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells that boxes touch: where their corners are in a ground's sums, and how many they are."""

    corners: tuple[NDArray, NDArray, NDArray, NDArray]  # lower right, upper right, lower left, upper left
    count: NDArray

    def mean(self, sums: Sums) -> NDArray:
        """The mean of each box's cells."""
        last, above, before, first = (sums.take(corner) for corner in self.corners)
        return (last - above - before + first) / self.count


def _cells(ground: Ground, left: NDArray, top: NDArray, right: NDArray, bottom: NDArray) -> Cells:
    """The cells that each box touches; boxes are cut at the picture's edge."""
    rows, columns = ground.kept.shape
    first_row, first_column = np.clip(top // ground.cell, 0, rows), np.clip(left // ground.cell, 0, columns)
    last_row = np.clip(-(-bottom // ground.cell), 0, rows)
    last_column = np.clip(-(-right // ground.cell), 0, columns)
    above, below = first_row * (columns + 1), last_row * (columns + 1)
    return Cells(
        (below + last_column, above + last_column, below + first_column, above + first_column),
        np.maximum((last_row - first_row) * (last_column - first_column), 1),
    )
