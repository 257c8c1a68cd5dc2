"""A job's noise. It depends only on the job's seed and step, not on other jobs or the order of steps."""

from __future__ import annotations

import numpy as np


def initial_noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """The noise that a job starts from: float32, standard normal; seed 0 … 2⁶⁴ − 1."""
    return _noise(seed, 0, shape)


def step_noise(seed: int, step: int, shape: tuple[int, ...]) -> np.ndarray:
    """The noise that a stochastic scheduler adds in step 0, 1, …: float32, standard normal."""
    return _noise(seed, 1 + step, shape)


def _noise(seed: int, index: int, shape: tuple[int, ...]) -> np.ndarray:
    # Philox increments its first words, so streams whose counters differ in the last word never overlap.
    bits = np.random.Philox(key=seed, counter=[0, 0, 0, index])
    return np.random.Generator(bits).standard_normal(shape, np.float32)
