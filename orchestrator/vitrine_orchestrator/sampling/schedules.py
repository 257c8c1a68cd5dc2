"""Schedulers as tables: every step of DDPM, DDIM and Euler is one row of coefficients.

With x the latents, o the network's output and z fresh noise, a step is
    x0   = clip(X0_SAMPLE · x + X0_OUTPUT · o, ±CLIP)
    next = NEXT_X0 · x0 + NEXT_SAMPLE · x + NEXT_OUTPUT · o + NEXT_NOISE · z
so rows of different jobs, at different steps and of different schedulers, advance in one call.
The numbers are those of diffusers 0.42's DDPMScheduler, DDIMScheduler (eta 0) and EulerDiscreteScheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.sampling.config import (
    SchedulerConfig,
    UnsupportedScheduler,
    checkpoint_kind,
    read_config,
)

KINDS = ("ddpm", "ddim", "euler")

INPUT_SCALE, X0_SAMPLE, X0_OUTPUT, CLIP, NEXT_X0, NEXT_SAMPLE, NEXT_OUTPUT, NEXT_NOISE = range(8)

_SAME = 1e-10  # diffusers' floor of a standard deviation, sqrt(1e-20): no float32 latent feels it


@dataclass(frozen=True)
class Schedule:
    """One job's way from noise to latents."""

    timesteps: np.ndarray  # (S,) float32, what the network is told
    initial_scale: float  # the first latents are noise times this
    table: np.ndarray  # (S, 8) float64, columns named above; INPUT_SCALE · x is what the network sees

    @property
    def steps(self) -> int:
        """How many network calls it takes."""
        return len(self.timesteps)


def advance(
    rows: np.ndarray, latents: np.ndarray, output: np.ndarray, noise: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Every row one step on: (next latents, estimate of the clean latents), float32 like `latents`.

    rows (R, 8) float64, one line of each job's table; latents, output and noise (R, 4, h, w).
    """
    c = rows.T[:, :, None, None, None]
    with np.errstate(over="ignore", invalid="ignore"):  # a row's inf or NaN is the caller's to find
        clean = np.clip(c[X0_SAMPLE] * latents + c[X0_OUTPUT] * output, -c[CLIP], c[CLIP])
        onward = c[NEXT_X0] * clean + c[NEXT_SAMPLE] * latents + c[NEXT_OUTPUT] * output
        onward += c[NEXT_NOISE] * noise
        return onward.astype(latents.dtype), clean.astype(latents.dtype)


class Schedules:
    """The schedules of one checkpoint, each made once."""

    def __init__(self, config: Mapping[str, object]) -> None:
        """`config` is scheduler_config.json; raises UnsupportedScheduler for what is not computed here."""
        self.own = checkpoint_kind(config)
        self._configs = {kind: read_config(config, kind) for kind in KINDS}
        self._made: dict[tuple[str, int], Schedule] = {}

    def get(self, name: str, steps: int) -> Schedule:
        """The schedule of scheduler `name` ("checkpoint", "ddpm", "ddim" or "euler") in `steps` steps."""
        kind = self.own if name == "checkpoint" else name
        if kind not in KINDS:
            raise UnsupportedScheduler(f"scheduler must be one of {('checkpoint', *KINDS)}, got {name!r}")
        if (kind, steps) not in self._made:
            self._made[kind, steps] = make_schedule(self._configs[kind], kind, steps)
        return self._made[kind, steps]


def make_schedule(config: SchedulerConfig, kind: str, steps: int) -> Schedule:
    """The table of `steps` steps.

    Raises UnsupportedScheduler when this scheduler cannot take that many steps of this config.
    """
    limit = config.num_train_timesteps
    if not 1 <= steps <= limit:
        raise UnsupportedScheduler(f"steps must be 1 to {limit} (num_train_timesteps), got {steps}")
    schedule = _MAKERS[kind](config, steps)
    if not np.isfinite(np.delete(schedule.table, CLIP, axis=1)).all():
        raise UnsupportedScheduler(
            f"{kind} cannot start at zero signal with prediction_type {config.prediction_type}: "
            f"timestep {schedule.timesteps[0]:.0f} of timestep_spacing {config.timestep_spacing}"
        )
    return schedule


def _timesteps(config: SchedulerConfig, steps: int) -> np.ndarray:
    """(steps,) float64, falling; table 2 of "Common diffusion noise schedules … are flawed" (2305.08891)."""
    total = config.num_train_timesteps
    if config.timestep_spacing == "linspace":
        return np.linspace(0, total - 1, steps)[::-1]
    if config.timestep_spacing == "leading":
        timesteps = np.arange(steps)[::-1] * (total // steps) + config.steps_offset
    else:
        timesteps = np.round(np.arange(total, 0, -total / steps))[:steps] - 1
    if timesteps[0] >= total:
        raise UnsupportedScheduler(
            f"steps_offset {config.steps_offset} puts the first of {steps} steps at {timesteps[0]}, "
            f"past the last training timestep {total - 1}"
        )
    return timesteps.astype(np.float64)


def _estimate(
    config: SchedulerConfig, signal: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """X0_SAMPLE and X0_OUTPUT where x = signal · x0 + noise · ε, each (S,)."""
    if config.prediction_type == "epsilon":
        with np.errstate(divide="ignore"):
            return 1 / signal, -noise / signal
    if config.prediction_type == "v_prediction":
        return signal, -noise
    return np.zeros_like(signal), np.ones_like(signal)


def _table(
    config: SchedulerConfig, clip: float, x0: tuple[np.ndarray, np.ndarray], onward: tuple[np.ndarray, ...]
) -> np.ndarray:
    """The table from X0_* and NEXT_*; without clipping NEXT_X0 is folded away, which spares its rounding."""
    next_x0, next_sample, next_output, next_noise = onward
    ones = np.ones_like(next_x0)
    if not np.isfinite(clip):
        with np.errstate(invalid="ignore"):
            next_sample, next_output = next_sample + next_x0 * x0[0], next_output + next_x0 * x0[1]
        next_x0 = 0 * ones
    return np.stack([ones, *x0, clip * ones, next_x0, next_sample, next_output, next_noise], axis=1)


def _clip(config: SchedulerConfig) -> float:
    return config.clip_sample_range if config.clip_sample else np.inf


def _ddpm(config: SchedulerConfig, steps: int) -> Schedule:
    """Ancestral sampling: formulas (6), (7) and (15) of "Denoising diffusion …" (2006.11239)."""
    timesteps = np.round(_timesteps(config, steps))
    bar = config.alpha_bars()[timesteps.astype(int)]
    before = np.append(bar[1:], 1.0)  # ᾱ of the next, less noisy timestep
    alpha = bar / before
    x0 = _estimate(config, np.sqrt(bar), np.sqrt(1 - bar))
    small = (1 - before) / (1 - bar) * (1 - alpha)
    std = np.sqrt(1 - alpha if config.variance_type == "fixed_large" else small)
    std[(timesteps == 0) | (std <= _SAME)] = 0
    onward = (
        np.sqrt(before) * (1 - alpha) / (1 - bar),
        np.sqrt(alpha) * (1 - before) / (1 - bar),
        0 * bar,
        std,
    )
    return Schedule(timesteps.astype(np.float32), 1.0, _table(config, _clip(config), x0, onward))


def _ddim(config: SchedulerConfig, steps: int) -> Schedule:
    """Deterministic sampling: formula (12) of "Denoising diffusion implicit models" (2010.02502), eta 0.

    The step before is t − T // steps, whatever the spacing, as in diffusers.
    """
    timesteps = np.round(_timesteps(config, steps))
    bars = config.alpha_bars()
    before = timesteps.astype(int) - config.num_train_timesteps // steps
    bar = bars[timesteps.astype(int)]
    bar_before = np.where(before >= 0, bars[before], 1.0 if config.set_alpha_to_one else bars[0])
    signal, noise = np.sqrt(bar), np.sqrt(1 - bar)
    epsilon_sample, epsilon_output = {
        "epsilon": (0 * signal, 1 + 0 * signal),
        "sample": (1 / noise, -signal / noise),
        "v_prediction": (noise, signal),
    }[config.prediction_type]
    toward = np.sqrt(1 - bar_before)
    onward = (np.sqrt(bar_before), toward * epsilon_sample, toward * epsilon_output, 0 * signal)
    x0 = _estimate(config, signal, noise)
    return Schedule(timesteps.astype(np.float32), 1.0, _table(config, _clip(config), x0, onward))


def _euler(config: SchedulerConfig, steps: int) -> Schedule:
    """Euler's method on dx/dσ = (x − x0)/σ: algorithm 2 of "Elucidating …" (2206.00364) without churn."""
    timesteps = _timesteps(config, steps).astype(np.float32)
    bars = config.alpha_bars()
    if config.rescale_betas_zero_snr:
        bars[-1] = 2.0**-24  # diffusers' stand-in for 0, whose σ would be infinite
    training = np.sqrt((1 - bars) / bars)
    sigma = np.interp(timesteps, np.arange(len(training)), training)
    sigma_next = np.append(sigma[1:], training[0] if config.final_sigmas_type == "sigma_min" else 0.0)
    scale = np.sqrt(sigma**2 + 1)
    x0 = {
        "epsilon": (1 + 0 * sigma, -sigma),
        "sample": (0 * sigma, 1 + 0 * sigma),
        "v_prediction": (1 / scale**2, -sigma / scale),
    }[config.prediction_type]
    ratio = sigma_next / sigma
    table = _table(config, np.inf, x0, (1 - ratio, ratio, 0 * sigma, 0 * sigma))
    table[:, INPUT_SCALE] = 1 / scale
    largest = max(sigma.max(), sigma_next.max())
    initial = largest if config.timestep_spacing in ("linspace", "trailing") else np.hypot(largest, 1)
    return Schedule(timesteps, float(initial), table)


_MAKERS: dict[str, Callable[[SchedulerConfig, int], Schedule]] = {
    "ddpm": _ddpm,
    "ddim": _ddim,
    "euler": _euler,
}
