"""The tables of DDPM, DDIM and Euler.

The numbers are those of diffusers 0.42's DDPMScheduler, DDIMScheduler (eta 0) and EulerDiscreteScheduler.
"""

from __future__ import annotations

import numpy as np

from vitrine_orchestrator.sampling.config import SchedulerConfig, UnsupportedScheduler
from vitrine_orchestrator.sampling.meanings import MEANINGS, Pair
from vitrine_orchestrator.sampling.schedule import INPUT_SCALE, Schedule

_SAME = 1e-10  # diffusers' least standard deviation, sqrt(1e-20); too small to change a float32 state


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


def _estimate(config: SchedulerConfig, signal: np.ndarray, noise: np.ndarray) -> Pair:
    """X0_SAMPLE and X0_OUTPUT where x = signal · x0 + noise · ε, each (S,)."""
    with np.errstate(divide="ignore"):
        return MEANINGS[config.prediction_type].clean(signal, noise)


def _table(
    config: SchedulerConfig,
    clip: float,
    x0: tuple[np.ndarray, np.ndarray],
    next_terms: tuple[np.ndarray, ...],
) -> np.ndarray:
    """The table from X0_* and NEXT_*. Without clipping, x0 is substituted, which avoids its rounding."""
    next_x0, next_sample, next_output, next_noise = next_terms
    ones = np.ones_like(next_x0)
    if not np.isfinite(clip):
        with np.errstate(invalid="ignore"):
            next_sample, next_output = next_sample + next_x0 * x0[0], next_output + next_x0 * x0[1]
        next_x0 = 0 * ones
    return np.stack([ones, *x0, clip * ones, next_x0, next_sample, next_output, next_noise], axis=1)


def _clip(config: SchedulerConfig) -> float:
    return config.clip_sample_range if config.clip_sample else np.inf


def ddpm(config: SchedulerConfig, steps: int) -> Schedule:
    """Ancestral sampling: formulas (6), (7) and (15) of "Denoising diffusion …" (2006.11239)."""
    timesteps = np.round(_timesteps(config, steps))
    bar = config.alpha_bars()[timesteps.astype(int)]
    before = np.append(bar[1:], 1.0)  # ᾱ of the next, less noisy timestep
    alpha = bar / before
    x0 = _estimate(config, np.sqrt(bar), np.sqrt(1 - bar))
    small = (1 - before) / (1 - bar) * (1 - alpha)
    std = np.sqrt(1 - alpha if config.variance_type == "fixed_large" else small)
    std[(timesteps == 0) | (std <= _SAME)] = 0
    next_terms = (
        np.sqrt(before) * (1 - alpha) / (1 - bar),
        np.sqrt(alpha) * (1 - before) / (1 - bar),
        0 * bar,
        std,
    )
    return Schedule(timesteps.astype(np.float32), 1.0, _table(config, _clip(config), x0, next_terms))


def ddim(config: SchedulerConfig, steps: int) -> Schedule:
    """Deterministic sampling: formula (12) of "Denoising diffusion implicit models" (2010.02502), eta 0.

    The next, less noisy timestep is t − T // steps for every spacing, as in diffusers.
    """
    timesteps = np.round(_timesteps(config, steps))
    bars = config.alpha_bars()
    before = timesteps.astype(int) - config.num_train_timesteps // steps
    bar = bars[timesteps.astype(int)]
    bar_before = np.where(before >= 0, bars[before], 1.0 if config.set_alpha_to_one else bars[0])
    signal, noise = np.sqrt(bar), np.sqrt(1 - bar)
    epsilon_sample, epsilon_output = MEANINGS[config.prediction_type].noise(signal, noise)
    toward = np.sqrt(1 - bar_before)
    next_terms = (np.sqrt(bar_before), toward * epsilon_sample, toward * epsilon_output, 0 * signal)
    x0 = _estimate(config, signal, noise)
    return Schedule(timesteps.astype(np.float32), 1.0, _table(config, _clip(config), x0, next_terms))


def euler(config: SchedulerConfig, steps: int) -> Schedule:
    """Euler's method on dx/dσ = (x − x0)/σ: algorithm 2 of "Elucidating …" (2206.00364) without churn."""
    timesteps = _timesteps(config, steps).astype(np.float32)
    bars = config.alpha_bars()
    if config.rescale_betas_zero_snr:
        bars[-1] = 2.0**-24  # diffusers' replacement for 0, whose σ would be infinite
    training = np.sqrt((1 - bars) / bars)
    sigma = np.interp(timesteps, np.arange(len(training)), training)
    sigma_next = np.append(sigma[1:], training[0] if config.final_sigmas_type == "sigma_min" else 0.0)
    scale = np.sqrt(sigma**2 + 1)
    x0 = _estimate(config, 1 + 0 * sigma, sigma)
    ratio = sigma_next / sigma
    table = _table(config, np.inf, x0, (1 - ratio, ratio, 0 * sigma, 0 * sigma))
    table[:, INPUT_SCALE] = 1 / scale
    largest = max(sigma.max(), sigma_next.max())
    initial = largest if config.timestep_spacing in ("linspace", "trailing") else np.hypot(largest, 1)
    return Schedule(timesteps, float(initial), table)
