"""The times of FASHN VTON's sampler: a rectified flow from noise (0) to a picture (1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from vitrine_orchestrator.sampling.config import UnsupportedScheduler
from vitrine_orchestrator.sampling.schedule import Schedule

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


PREDICTIONS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "velocity": lambda left: (np.ones_like(left), left),  # o = picture − noise
    "sample": lambda left: (np.zeros_like(left), np.ones_like(left)),  # o = picture
}
"""From 1 − t to the factors of the state and of the network's output o, whose sum is the picture."""


@lru_cache(maxsize=256)
def schedule(steps: int, mu: float = SHIFT_MU, prediction: str = "velocity") -> Schedule:
    """The table of `steps` steps of Euler's method on the velocity, which is picture − noise.

    The state at time t is t · picture + (1 − t) · noise, so the velocity is (picture − state) / (1 − t). The
    timesteps are the times themselves, in 0…1. Raises UnsupportedScheduler for another kind of prediction.
    """
    if prediction not in PREDICTIONS:
        raise UnsupportedScheduler(f"prediction_type must be one of {list(PREDICTIONS)}, got {prediction!r}")
    at = times(steps, mu)
    left, move = 1 - at[:-1], np.diff(at)
    zeros, ones = np.zeros(steps), np.ones(steps)
    picture = PREDICTIONS[prediction](left)
    table = np.stack([ones, *picture, ones * np.inf, move / left, 1 - move / left, zeros, zeros], axis=1)
    return Schedule(at[:-1].astype(np.float32), 1.0, table)
