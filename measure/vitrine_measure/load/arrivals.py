"""When requests are sent: in an open loop the times do not depend on how fast answers come."""

from __future__ import annotations

import numpy as np


def poisson(rate: float, seconds: float, draw: np.random.Generator) -> list[float]:
    """Times in [0, seconds) of independent arrivals, `rate` a second in the mean."""
    gaps = draw.exponential(1 / rate, size=int(rate * seconds * 1.5) + 50)
    times = np.cumsum(gaps)
    while times[-1] < seconds:
        times = np.append(times, times[-1] + np.cumsum(draw.exponential(1 / rate, size=50)))
    return times[times < seconds].tolist()


def bursts(size: int, every_s: float, seconds: float) -> list[float]:
    """Times in [0, seconds): `size` at once, every `every_s` seconds, the first after `every_s`."""
    starts = np.arange(every_s, seconds, every_s)
    return np.repeat(starts, size).tolist()


class Zipf:
    """Draws 0 … count − 1, the k-th as likely as 1 / (k + 1)^exponent: few are popular, many are rare."""

    def __init__(self, count: int, exponent: float, draw: np.random.Generator) -> None:
        weights = 1 / np.arange(1, count + 1) ** exponent
        self._shares, self._draw = weights / weights.sum(), draw

    def __call__(self) -> int:
        """One draw."""
        return int(self._draw.choice(len(self._shares), p=self._shares))
