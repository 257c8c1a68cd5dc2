"""A job's own noise, from its seed alone: the same whatever runs beside it, and in any order of steps."""

from __future__ import annotations

import numpy as np


def initial_noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """What a job starts from: float32, standard normal; seed 0 … 2⁶⁴ − 1."""
    return _noise(seed, 0, shape)


def step_noise(seed: int, step: int, shape: tuple[int, ...]) -> np.ndarray:
    """What a stochastic scheduler adds in step 0, 1, …: float32, standard normal."""
    return _noise(seed, 1 + step, shape)


def _noise(seed: int, index: int, shape: tuple[int, ...]) -> np.ndarray:
    # Philox counts up in its first words: counters that differ in the last one never meet.
    bits = np.random.Philox(key=seed, counter=[0, 0, 0, index])
    return np.random.Generator(bits).standard_normal(shape, np.float32)
