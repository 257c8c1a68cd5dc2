"""The times of FASHN VTON's sampler: a rectified flow from noise (0) to a picture (1)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

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


@lru_cache(maxsize=256)
def schedule(steps: int, mu: float = SHIFT_MU) -> Schedule:
    """The table of `steps` steps of Euler's method on the velocity, which is picture − noise.

    The state at time t is t · picture + (1 − t) · noise, so the picture is state + (1 − t) · velocity. The
    timesteps are the times themselves, in 0…1.
    """
    at = times(steps, mu)
    now, zeros, ones = at[:-1], np.zeros(steps), np.ones(steps)
    table = np.stack([ones, ones, 1 - now, ones * np.inf, zeros, ones, np.diff(at), zeros], axis=1)
    return Schedule(now.astype(np.float32), 1.0, table)
