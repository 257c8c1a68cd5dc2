"""The figures of a score of the shop, from arrays and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

INSIDE = 0.5
"""Alpha from which a pixel counts as product, for the overlap of masks."""


def accuracy(read: Sequence[Mapping[str, str]], truth: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Return, for each attribute, the share of rows that are read correctly."""
    rows = list(zip(read, truth, strict=True))
    return {name: float(np.mean([row[name] == true[name] for row, true in rows])) for name in truth[0]}


def alpha_error(found: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Return the mean absolute error of alphas in 0 to 1, of any shape."""
    return float(np.abs(found - truth).mean())


def overlap(found: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Return intersection over union of two alphas (height, width) cut at INSIDE; 1 if both are empty."""
    inside, true = found >= INSIDE, truth >= INSIDE
    union = np.count_nonzero(inside | true)
    return float(np.count_nonzero(inside & true) / union) if union else 1.0


def alpha_figures(
    found: Sequence[NDArray[np.floating]], truths: Sequence[NDArray[np.floating]]
) -> dict[str, float]:
    """Return the mean alpha error and overlap of pairs of alphas (height, width) in 0 to 1."""
    pairs = list(zip(found, truths, strict=True))
    return {
        "alpha_error": float(np.mean([alpha_error(*pair) for pair in pairs])),
        "overlap": float(np.mean([overlap(*pair) for pair in pairs])),
    }
