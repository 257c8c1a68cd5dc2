"""The σ tables of flow matching that parity needs, for Euler's method on the velocity dx/dσ.

The σ equal those of FlowMatchEulerDiscreteScheduler in diffusers 0.42, with the grid of its pipelines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from vitrine_export.errors import BadCheckpoint


@dataclass(frozen=True)
class FlowConfig:
    """The settings that change a σ; the defaults are those of diffusers."""

    num_train_timesteps: int = 1000
    shift: float = 1.0  # for every size; used without use_dynamic_shifting
    use_dynamic_shifting: bool = False
    base_shift: float = 0.5  # μ at base_image_seq_len tokens
    max_shift: float = 1.15  # μ at max_image_seq_len tokens
    base_image_seq_len: int = 256
    max_image_seq_len: int = 4096


_ONLY: dict[str, tuple[object, ...]] = {
    "time_shift_type": ("exponential", None),
    "shift_terminal": (None,),
    "use_karras_sigmas": (False, None),
    "use_exponential_sigmas": (False, None),
    "use_beta_sigmas": (False, None),
    "invert_sigmas": (False, None),
    "stochastic_sampling": (False, None),
}


@dataclass(frozen=True)
class Schedule:
    """The steps of one job from noise to a clean state."""

    timesteps: np.ndarray  # (S,) float32
    sigmas: np.ndarray  # (S + 1,) float32, the last is 0
    initial_scale: float  # the first state is noise times this,
    initial_clean: float = 0.0  # plus this times the clean state that the job starts from


def read_flow_config(config: Mapping[str, Any]) -> FlowConfig:
    """Read scheduler_config.json; BadCheckpoint names an unsupported setting."""
    for name, allowed in _ONLY.items():
        if (value := config.get(name)) not in allowed:
            raise BadCheckpoint(f"scheduler: {name} must be {allowed[0]!r}, got {value!r}")
    known = {field.name for field in fields(FlowConfig)}
    return FlowConfig(**{name: value for name, value in config.items() if name in known})


def flow(config: FlowConfig, steps: int, tokens: int | None = None, strength: float = 1.0) -> Schedule:
    """Return the schedule of `steps` steps, or its last part of size `strength` (above 0, at most 1).

    `tokens` of the picture are required if the shift depends on the size. Raises BadCheckpoint for a value
    out of range.
    """
    if not 0 < strength <= 1:
        raise BadCheckpoint(f"strength must be more than 0 and at most 1, got {strength}")
    every = np.append(sigmas(config, steps, tokens), np.float32(0))
    skipped = int(max(steps - min(steps * strength, steps), 0))
    if skipped == steps:
        raise BadCheckpoint(f"strength {strength} leaves none of {steps} steps")
    sigma = every[skipped:]
    start = float(sigma[0])
    timesteps = sigma[:-1] * np.float32(config.num_train_timesteps)
    return Schedule(timesteps, sigma, *((start, 1.0 - start) if strength < 1 else (1.0, 0.0)))


def sigmas(config: FlowConfig, steps: int, tokens: int | None = None) -> np.ndarray:
    """Return σ (steps,) float32, falling from 1: the share of noise in the state before each step.

    Computed in float32 as in diffusers, so that timesteps are equal to the bit.
    """
    if not 1 <= steps <= config.num_train_timesteps:
        raise BadCheckpoint(f"steps must be 1 to {config.num_train_timesteps}, got {steps}")
    even = np.linspace(1, 1 / steps, steps).astype(np.float32)
    if not config.use_dynamic_shifting:
        return config.shift * even / (1 + (config.shift - 1) * even)
    shift = math.exp(shift_of(config, tokens))
    return shift / (shift + (1 / even - 1))


def shift_of(config: FlowConfig, tokens: int | None) -> float:
    """Return μ for a number of picture tokens: linear through the two sizes of the config."""
    if tokens is None or tokens < 1:
        raise BadCheckpoint(f"use_dynamic_shifting needs the picture's tokens, got {tokens}")
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    return config.base_shift + slope * (tokens - config.base_image_seq_len)
