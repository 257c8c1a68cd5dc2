"""A schedule as a table: every step of every sampler is one row of coefficients.

With x the state (noisy latents or pixels), o the network's output and z fresh noise, a step is
    x0   = clip(X0_SAMPLE · x + X0_OUTPUT · o, ±CLIP)
    next = NEXT_X0 · x0 + NEXT_SAMPLE · x + NEXT_OUTPUT · o + NEXT_NOISE · z
so rows of different jobs, at different steps and of different schedulers, advance in one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

INPUT_SCALE, X0_SAMPLE, X0_OUTPUT, CLIP, NEXT_X0, NEXT_SAMPLE, NEXT_OUTPUT, NEXT_NOISE = range(8)


@dataclass(frozen=True)
class Schedule:
    """The timesteps and coefficients of one job, from noise to a clean state."""

    timesteps: np.ndarray  # (S,) float32, the network's input
    initial_scale: float  # the first state is noise times this,
    table: np.ndarray  # (S, 8) float64, columns named above; INPUT_SCALE · x is what the network sees
    initial_clean: float = 0.0  # plus this times the clean state that the job starts from, where it has one

    @property
    def steps(self) -> int:
        """The number of network calls."""
        return len(self.timesteps)


def advance(
    rows: np.ndarray, states: np.ndarray, output: np.ndarray, noise: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """One step of every row: (next states, estimates of the clean states), of the dtype of `states`.

    rows: (R, 8) float64, one row of each job's table; states, output and noise: (R, *state).
    """
    c = rows.T.reshape(rows.shape[1], len(rows), *(1,) * (states.ndim - 1))
    with np.errstate(over="ignore", invalid="ignore"):  # the caller checks for inf and NaN
        clean = np.clip(c[X0_SAMPLE] * states + c[X0_OUTPUT] * output, -c[CLIP], c[CLIP])
        following = c[NEXT_X0] * clean + c[NEXT_SAMPLE] * states + c[NEXT_OUTPUT] * output
        following += c[NEXT_NOISE] * noise
        return following.astype(states.dtype), clean.astype(states.dtype)
