"""The tables of flow matching: Euler's method on the velocity, dx/dσ = ε − x0.

The numbers are those of diffusers 0.42's FlowMatchEulerDiscreteScheduler, given the σ grid of its pipelines,
but in float64, as all schedules here; the steps of a `strength` are not: see skipped_steps. The exporter's
parity compares σ in float32, as diffusers computes them (`vitrine_export.nets.flow_sigmas`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vitrine_orchestrator.sampling.config import UnsupportedScheduler
from vitrine_orchestrator.sampling.flow_config import FlowConfig
from vitrine_orchestrator.sampling.meanings import MEANINGS
from vitrine_orchestrator.sampling.schedule import Schedule

ROUNDED = 4
"""Decimals of steps · strength: a strength that came as float32 is not quite the one that was meant."""


ROUNDING = 1e-6
"""The first σ is 1 but for the rounding of float64."""


def flow(config: FlowConfig, steps: int, tokens: int | None = None, strength: float = 1.0) -> Schedule:
    """The schedule of `steps` steps, or of its last part, whose length depends on `strength`.

    tokens: picture tokens of the job; required when the shift depends on the picture's size.
    strength: more than 0, at most 1. Below 1 the first steps are omitted, and the job starts from a mixture
        of its own clean state and noise (image to image).
    Raises UnsupportedScheduler for a value out of range.
    """
    if not 0 < strength <= 1:
        raise UnsupportedScheduler(f"strength must be more than 0 and at most 1, got {strength}")
    sigma = np.append(sigmas(config, steps, tokens), 0.0)
    skipped = skipped_steps(steps, strength)
    sigma, sigma_next = sigma[skipped:-1], sigma[skipped + 1 :]
    zeros, ones = np.zeros_like(sigma), np.ones_like(sigma)
    x0 = MEANINGS["flow"].clean(1 - sigma, sigma)
    table = np.stack([ones, *x0, ones * np.inf, zeros, ones, sigma_next - sigma, zeros], axis=1)
    timesteps = (sigma * config.num_train_timesteps).astype(np.float32)
    clean = 1.0 - float(sigma[0]) if strength < 1 else 0.0
    return Schedule(timesteps, float(sigma[0]) if strength < 1 else 1.0, table, clean)


def skipped_steps(steps: int, strength: float) -> int:
    """How many of the first steps are omitted: the whole part of steps · strength is run, or one step.

    So a strength keeps at least its rest: 0.9 of 8 steps omits one. The image-to-image pipelines of diffusers
    round the other way: there 0.9 of 8 steps omits none, and nothing of the picture is kept.
    """
    return steps - max(1, min(steps, int(round(steps * strength, ROUNDED))))


def sigmas(config: FlowConfig, steps: int, tokens: int | None = None) -> np.ndarray:
    """(steps,) float64, falling from 1: the share of noise in the state before each step."""
    if not 1 <= steps <= config.num_train_timesteps:
        raise UnsupportedScheduler(
            f"steps must be 1 to {config.num_train_timesteps} (num_train_timesteps), got {steps}"
        )
    even = np.linspace(1, 1 / steps, steps)
    shift = shift_of(config, tokens) if config.use_dynamic_shifting else config.shift
    kind = config.time_shift_type if config.use_dynamic_shifting else "linear"
    with np.errstate(all="ignore"):  # what overflows is refused here
        shifted = _SHIFTS[kind](shift, even)
    found = _stretched(shifted, config.shift_terminal) if config.shift_terminal else shifted
    if not (abs(found[0] - 1) < ROUNDING and (np.diff(found, append=0) < 0).all()):  # false for NaN
        raise UnsupportedScheduler(
            f"the noise must fall from 1 to 0 in {steps} steps, which it does not with shift {shift:g} "
            f"and time_shift_type {kind!r}"
        )
    return found


def shift_of(config: FlowConfig, tokens: int | None) -> float:
    """μ of a picture of that many tokens, linear between the two sizes of the config."""
    if tokens is None or tokens < 1:
        raise UnsupportedScheduler(f"use_dynamic_shifting needs the picture's tokens, got {tokens}")
    ends = (config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift)
    base, most, low, high = (float(end) for end in ends if end is not None)
    return low + (high - low) / (most - base) * (tokens - base)


def _by(shift: float, even: np.ndarray) -> np.ndarray:
    return shift * even / (1 + (shift - 1) * even)


_SHIFTS: dict[str, Callable[[float, np.ndarray], np.ndarray]] = {
    "exponential": lambda mu, even: _by(float(np.exp(mu)), even),
    "linear": _by,
}


def _stretched(sigma: np.ndarray, last: float) -> np.ndarray:
    """The curve rescaled so that its last value is `last`."""
    if sigma[-1] == 1:
        raise UnsupportedScheduler(f"shift_terminal {last} cannot be reached in {len(sigma)} steps")
    return 1 - (1 - sigma) * (1 - last) / (1 - sigma[-1])
