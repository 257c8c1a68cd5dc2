"""The figures of a score, from arrays. Pure functions: what is right, and by how much."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NEAR = 0.05
"""A joint counts as found within this share of the body's height."""


def joints_found(
    found: NDArray[np.floating], truth: NDArray[np.floating], size: tuple[int, int], height: float
) -> int:
    """How many of the true joints (18, 3) `found` (18, 3) has within NEAR body heights (`height` in px).

    Places are in [0, 1] of a picture of `size` (width, height) px; a joint with score 0 is missing.
    """
    apart = np.linalg.norm((found[:, :2] - truth[:, :2]) * np.array(size), axis=1)
    right = (apart <= NEAR * height) & (found[:, 2] > 0)
    return int(right[truth[:, 2] > 0].sum())


@dataclass
class LabelCounts:
    """Intersections and unions of each label, summed over pictures: mean IoU over the labels that occur."""

    labels: int
    both: NDArray[np.int64] = field(init=False)
    either: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.both, self.either = np.zeros(self.labels, np.int64), np.zeros(self.labels, np.int64)

    def add(self, found: NDArray[np.integer], truth: NDArray[np.integer]) -> None:
        """Count one picture's maps (H, W)."""
        pairs = np.bincount((truth.astype(np.int64) * self.labels + found).ravel(), minlength=self.labels**2)
        table = pairs.reshape(self.labels, self.labels)
        self.both += np.diag(table)
        self.either += table.sum(0) + table.sum(1) - np.diag(table)

    def mean_iou(self) -> float:
        """The mean of intersection over union of every label that was found or true anywhere."""
        seen = self.either > 0
        return float((self.both[seen] / self.either[seen]).mean())


def iou(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 when both are empty."""
    either = (found | truth).sum()
    return float((found & truth).sum() / either) if either else 1.0


def error_inside(result: NDArray[np.uint8], truth: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Mean absolute difference, 0 to 255, of two pictures (H, W, 3) inside a mask (H, W)."""
    return float(np.abs(result[mask].astype(np.int16) - truth[mask]).mean())


def largest_outside(result: NDArray[np.uint8], person: NDArray[np.uint8], mask: NDArray[np.bool_]) -> int:
    """The largest difference, 0 to 255, where the mask (H, W) leaves the person alone."""
    outside = ~mask
    return int(np.abs(result[outside].astype(np.int16) - person[outside]).max(initial=0))


@dataclass
class TryOnCounts:
    """One category's try-ons: how far from the truth, against leaving the person unchanged."""

    error: float = 0.0
    unchanged: float = 0.0
    nearest: int = 0
    count: int = 0
    outside_max: int = 0

    def figures(self) -> dict[str, float]:
        """`mae_ratio`, `retrieval`, `outside_max`, `count`."""
        return {
            "mae_ratio": self.error / self.unchanged,
            "retrieval": self.nearest / self.count,
            "outside_max": self.outside_max,
            "count": self.count,
        }
