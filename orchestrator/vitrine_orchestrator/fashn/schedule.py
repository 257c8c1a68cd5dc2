"""The times of FASHN VTON's sampler: a rectified flow from noise (0) to a picture (1)."""

from __future__ import annotations

import numpy as np

SHIFT_MU = 1.5  # of the released pipeline: more steps near the noise
GUIDANCE = 1.5
STEPS = 30
UNGUIDED_STEPS = 1  # the last steps use the conditional velocity alone, against saturated colours


def times(steps: int, mu: float = SHIFT_MU) -> np.ndarray:
    """(steps + 1,) float64, ascending from 0 to 1: e^-mu / (e^-mu + steps/k - 1) at step k.

    The state moves by (times[k + 1] - times[k]) · velocity at step k.
    """
    inner = np.arange(1, steps)
    shift = np.exp(-mu)
    return np.concatenate(([0.0], shift / (shift + steps / inner - 1), [1.0]))
