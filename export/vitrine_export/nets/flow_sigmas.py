"""The σ of flow matching in float32, as diffusers computes them; parity compares both.

The server computes its schedules in float64 (`vitrine_orchestrator.sampling.flow`). In float32, timesteps
near 1000 differ from those by up to 6e-5, which is more than the 1e-6 that parity allows. Config and shift
are the server's; only the arithmetic is repeated here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from vitrine_orchestrator.sampling import flow_config
from vitrine_orchestrator.sampling.config import UnsupportedScheduler
from vitrine_orchestrator.sampling.flow import shift_of
from vitrine_orchestrator.sampling.flow_config import FlowConfig

from vitrine_export.errors import BadCheckpoint

# Settings that only the server computes, and their only values here.
_ONLY: dict[str, object] = {"time_shift_type": "exponential", "shift_terminal": None}


@dataclass(frozen=True)
class Schedule:
    """The steps of one job from noise to a clean state."""

    timesteps: np.ndarray  # (S,) float32
    sigmas: np.ndarray  # (S + 1,) float32, the last is 0
    initial_scale: float  # the first state is noise times this,
    initial_clean: float = 0.0  # plus this times the clean state that the job starts from


def read_flow_config(config: Mapping[str, Any]) -> FlowConfig:
    """Read scheduler_config.json; BadCheckpoint names an unknown or unsupported setting."""
    with _as_bad_checkpoint():
        read = flow_config.read_flow_config(config)
    for name, only in _ONLY.items():
        if (value := getattr(read, name)) != only:
            raise BadCheckpoint(f"scheduler: {name} must be {only!r}, got {value!r}")
    return read


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

    They equal those of diffusers 0.42 to the bit, with the grid that its pipelines pass.
    """
    if not 1 <= steps <= config.num_train_timesteps:
        raise BadCheckpoint(f"steps must be 1 to {config.num_train_timesteps}, got {steps}")
    even = np.linspace(1, 1 / steps, steps).astype(np.float32)
    if not config.use_dynamic_shifting:
        return config.shift * even / (1 + (config.shift - 1) * even)
    with _as_bad_checkpoint():
        shift = math.exp(shift_of(config, tokens))
    return shift / (shift + (1 / even - 1))


@contextmanager
def _as_bad_checkpoint() -> Iterator[None]:
    """Raise the orchestrator's UnsupportedScheduler as BadCheckpoint, the error of the export."""
    try:
        yield
    except UnsupportedScheduler as error:
        raise BadCheckpoint(f"scheduler: {error}") from error
