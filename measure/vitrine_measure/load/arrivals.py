"""Arrival times of requests. In an open loop they do not depend on the speed of responses."""

from __future__ import annotations

import numpy as np


def poisson(rate: float, seconds: float, draw: np.random.Generator) -> list[float]:
    """Return times in [0, seconds) of independent arrivals, on average `rate` per second."""
    gaps = draw.exponential(1 / rate, size=int(rate * seconds * 1.5) + 50)
    times = np.cumsum(gaps)
    while times[-1] < seconds:
        times = np.append(times, times[-1] + np.cumsum(draw.exponential(1 / rate, size=50)))
    return times[times < seconds].tolist()


class Zipf:
    """Draws 0 … count − 1, the k-th with probability proportional to 1 / (k + 1)^exponent."""

    def __init__(self, count: int, exponent: float, draw: np.random.Generator) -> None:
        weights = 1 / np.arange(1, count + 1) ** exponent
        self._shares, self._draw = weights / weights.sum(), draw

    def __call__(self) -> int:
        """Draw one number."""
        return int(self._draw.choice(len(self._shares), p=self._shares))
