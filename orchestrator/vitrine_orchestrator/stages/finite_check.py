"""Checks that a network's outputs are finite: float16 overflows to infinity, which leads to NaN."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from vitrine.errors import StageFailed


def check_finite(stage: str, outputs: Mapping[str, np.ndarray]) -> None:
    """Raise StageFailed, naming the stage and the output, where a float output holds NaN or infinity."""
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not _is_finite(array):
            count = int(array.size - np.isfinite(array).sum())
            raise StageFailed(
                stage, f"{count} of {array.size} numbers of {name} are not finite; export it in float32"
            )


def _is_finite(array: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):  # takes a third of the time: NaN and infinity remain in a sum
            return True
    return bool(np.isfinite(array).all())
