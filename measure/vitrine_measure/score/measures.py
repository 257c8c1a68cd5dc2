"""The metrics of a score as pure functions of arrays: joints found, IoU, errors inside and outside a mask."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NEAR = 0.05
"""Largest distance in body heights of a joint that counts as found (PCK, percentage of correct keypoints)."""


def joints_found(
    found: NDArray[np.floating], truth: NDArray[np.floating], size: tuple[int, int], height: float
) -> int:
    """Return how many of the true joints (18, 3) are at most NEAR body heights from those in `found` (18, 3).

    A joint is (x, y, score) with x and y in [0, 1] of a picture of `size` (width, height) px; one with
    score 0 is missing. `height` is the body's height in px.
    """
    distance = np.linalg.norm((found[:, :2] - truth[:, :2]) * np.array(size), axis=1)
    right = (distance <= NEAR * height) & (found[:, 2] > 0)
    return int(right[truth[:, 2] > 0].sum())


@dataclass
class LabelCounts:
    """Sums the intersection and union, in pixels, of each of `labels` labels over pictures."""

    labels: int
    both: NDArray[np.int64] = field(init=False)
    either: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.both, self.either = np.zeros(self.labels, np.int64), np.zeros(self.labels, np.int64)

    def add(self, found: NDArray[np.integer], truth: NDArray[np.integer]) -> None:
        """Add one picture: label maps (H, W) with values from 0 to labels − 1."""
        pairs = np.bincount((truth.astype(np.int64) * self.labels + found).ravel(), minlength=self.labels**2)
        table = pairs.reshape(self.labels, self.labels)
        self.both += np.diag(table)
        self.either += table.sum(0) + table.sum(1) - np.diag(table)

    def mean_iou(self) -> float:
        """Return the mean IoU of the labels that occur in any map."""
        seen = self.either > 0
        return float((self.both[seen] / self.either[seen]).mean())


def iou(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks (H, W); 1 if both are empty."""
    either = (found | truth).sum()
    return float((found & truth).sum() / either) if either else 1.0


def error_inside(result: NDArray[np.uint8], truth: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Return the mean absolute difference, 0 to 255, of two pictures (H, W, 3) inside a mask (H, W)."""
    return float(np.abs(result[mask].astype(np.int16) - truth[mask]).mean())


def largest_outside(result: NDArray[np.uint8], person: NDArray[np.uint8], mask: NDArray[np.bool_]) -> int:
    """Return the largest absolute difference, 0 to 255, outside a mask (H, W)."""
    outside = ~mask
    return int(np.abs(result[outside].astype(np.int16) - person[outside]).max(initial=0))


@dataclass
class TryOnCounts:
    """Sums over the try-ons of one category; errors are mean absolute differences inside the mask."""

    error: float = 0.0  # sum of the errors of the results
    unchanged: float = 0.0  # sum of the errors of the unchanged pictures of the persons
    nearest: int = 0  # results that are nearer to the true picture than to those with other garments
    count: int = 0
    outside_max: int = 0  # the largest difference outside the mask, 0 to 255

    def figures(self) -> dict[str, float]:
        """Return `mae_ratio` (error / unchanged), `retrieval` (nearest / count), `outside_max`, `count`."""
        return {
            "mae_ratio": self.error / self.unchanged,
            "retrieval": self.nearest / self.count,
            "outside_max": self.outside_max,
            "count": self.count,
        }
