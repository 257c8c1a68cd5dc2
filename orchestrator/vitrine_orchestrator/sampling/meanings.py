"""The meaning of a network's output: one row for each prediction type.

A noisy state is x = signal · x0 + noise · ε, and o is the network's output. `clean` and `noise` of a row
return two coefficients, of x and of o. The sum of the two products is x0 for `clean` and ε for `noise`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]
Coefficients = Callable[[np.ndarray, np.ndarray], Pair]
"""From signal and noise, each (S,) float64, to the coefficients of x and of o, each (S,)."""


class Meaning(NamedTuple):
    """How to compute x0 and ε from x and o."""

    clean: Coefficients
    noise: Coefficients


def _length(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.hypot(signal, noise)


MEANINGS: dict[str, Meaning] = {
    "epsilon": Meaning(  # o = ε
        clean=lambda signal, noise: (1 / signal, -noise / signal),
        noise=lambda signal, noise: (0 * signal, 1 + 0 * signal),
    ),
    "sample": Meaning(  # o = x0
        clean=lambda signal, noise: (0 * signal, 1 + 0 * signal),
        noise=lambda signal, noise: (1 / noise, -signal / noise),
    ),
    "v_prediction": Meaning(  # o = (signal · ε − noise · x0) / length
        clean=lambda signal, noise: (
            signal / _length(signal, noise) ** 2,
            -noise / _length(signal, noise),
        ),
        noise=lambda signal, noise: (
            noise / _length(signal, noise) ** 2,
            signal / _length(signal, noise),
        ),
    ),
    "flow": Meaning(  # o = ε − x0, the velocity from the clean state to the noise
        clean=lambda signal, noise: (1 / (signal + noise), -noise / (signal + noise)),
        noise=lambda signal, noise: (1 / (signal + noise), signal / (signal + noise)),
    ),
}
