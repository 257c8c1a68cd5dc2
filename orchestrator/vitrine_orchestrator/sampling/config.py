"""Reads a checkpoint's scheduler_config.json; refuses unsupported settings that change the result."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np


class UnsupportedScheduler(ValueError):
    """A scheduler setting, or a combination of settings, that is not implemented."""


@dataclass(frozen=True)
class SchedulerConfig:
    """The settings that change a result. The defaults are those of diffusers' DDPMScheduler."""

    num_train_timesteps: int = 1000
    beta_start: float = 0.0001
    beta_end: float = 0.02
    beta_schedule: str = "linear"
    trained_betas: tuple[float, ...] | None = None  # instead of the three above
    rescale_betas_zero_snr: bool = False
    prediction_type: str = "epsilon"
    timestep_spacing: str = "leading"
    steps_offset: int = 0
    clip_sample: bool = True  # DDPM and DDIM only, like the range
    clip_sample_range: float = 1.0
    variance_type: str = "fixed_small"  # DDPM only
    set_alpha_to_one: bool = True  # DDIM only
    final_sigmas_type: str = "zero"  # Euler only

    def betas(self) -> np.ndarray:
        """(num_train_timesteps,) float64, before rescaling."""
        if self.trained_betas is not None:
            return np.array(self.trained_betas, np.float64)
        if self.beta_schedule == "linear":
            return np.linspace(self.beta_start, self.beta_end, self.num_train_timesteps)
        return np.linspace(self.beta_start**0.5, self.beta_end**0.5, self.num_train_timesteps) ** 2

    def alpha_bars(self) -> np.ndarray:
        """ᾱ of each training timestep, (num_train_timesteps,) float64: the share of signal in the variance.

        With rescale_betas_zero_snr the last one is 0: algorithm 1 of 2305.08891.
        """
        bars = np.cumprod(1 - self.betas())
        if not self.rescale_betas_zero_snr:
            return bars
        root = np.sqrt(bars)
        return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


SCHEDULER_CLASSES = {
    "DDPMScheduler": "ddpm",
    "DDIMScheduler": "ddim",
    "EulerDiscreteScheduler": "euler",
    "FlowMatchEulerDiscreteScheduler": "flow",
}

_DEFAULTS: dict[str, dict[str, str]] = {"ddpm": {}, "ddim": {}, "euler": {"timestep_spacing": "linspace"}}

_WORDS: dict[str, tuple[str, ...]] = {
    "beta_schedule": ("linear", "scaled_linear"),
    "prediction_type": ("epsilon", "sample", "v_prediction"),
    "timestep_spacing": ("leading", "trailing", "linspace"),
    "variance_type": ("fixed_small", "fixed_small_log", "fixed_large"),
    "final_sigmas_type": ("zero", "sigma_min"),
}

# Settings of these and other schedulers that are accepted only with these values, which change nothing.
_ONLY: dict[str, tuple[object, ...]] = {
    "thresholding": (False, None),
    "use_karras_sigmas": (False, None),
    "use_exponential_sigmas": (False, None),
    "use_beta_sigmas": (False, None),
    "interpolation_type": ("linear", None),
    "timestep_type": ("discrete", None),
    "sigma_min": (None,),
    "sigma_max": (None,),
}

# Settings that change nothing at any value: those of the file itself, of PNDM, and of dynamic thresholding,
# which is refused.
IDLE = {
    "_class_name",
    "_diffusers_version",
    "skip_prk_steps",
    "dynamic_thresholding_ratio",
    "sample_max_value",
}


def checkpoint_kind(config: Mapping[str, object]) -> str:
    """The scheduler named by the checkpoint's config: "ddpm", "ddim", "euler" or "flow"."""
    name = config.get("_class_name")
    if name not in SCHEDULER_CLASSES:
        raise UnsupportedScheduler(f"_class_name must be one of {sorted(SCHEDULER_CLASSES)}, got {name!r}")
    return SCHEDULER_CLASSES[str(name)]


def read_config(config: Mapping[str, object], kind: str) -> SchedulerConfig:
    """The settings of scheduler_config.json for scheduler `kind`, with its defaults for missing ones."""
    known = {field.name for field in fields(SchedulerConfig)}
    refuse_unknown(config, known | _ONLY.keys())
    for name, allowed in _ONLY.items():
        if (value := config.get(name)) not in allowed:
            raise UnsupportedScheduler(f"{name} must be {allowed[0]!r}, got {value!r}")
    given = {name: _value(name, config[name]) for name in known & config.keys()}
    read = replace(SchedulerConfig(), **{**_DEFAULTS[kind], **given})  # type: ignore[arg-type]
    _check(read)
    return read


def _check(config: SchedulerConfig) -> None:
    """Refuse values that no schedule can be made of."""
    ranges = (
        ("num_train_timesteps", config.num_train_timesteps >= 1, "1 or more"),
        ("steps_offset", config.steps_offset >= 0, "0 or more"),
        ("beta_start", 0 < config.beta_start < 1, "more than 0 and less than 1"),
        ("beta_end", 0 < config.beta_end < 1, "more than 0 and less than 1"),
        ("clip_sample_range", 0 < config.clip_sample_range < np.inf, "more than 0 and finite"),
    )
    for name, right, rule in ranges:
        if not right:
            raise UnsupportedScheduler(f"{name} must be {rule}, got {getattr(config, name)}")
    betas = config.betas()
    if len(betas) != config.num_train_timesteps:
        raise UnsupportedScheduler(
            f"trained_betas must have num_train_timesteps {config.num_train_timesteps} values, "
            f"got {len(betas)}"
        )
    if wrong := [beta for beta in betas if not 0 < beta < 1]:
        raise UnsupportedScheduler(f"trained_betas must be more than 0 and less than 1, got {wrong[0]}")


def refuse_unknown(config: Mapping[str, object], known: Set[str]) -> None:
    """Raise UnsupportedScheduler for settings that are not read, unless they are not set (null) or idle."""
    given = {name for name, value in config.items() if value is not None}
    if unknown := given - known - IDLE:
        raise UnsupportedScheduler(f"unknown scheduler settings {sorted(unknown)}")


def _value(name: str, value: Any) -> object:
    if name in _WORDS and value not in _WORDS[name]:
        raise UnsupportedScheduler(f"{name} must be one of {_WORDS[name]}, got {value!r}")
    if name == "trained_betas":
        return tuple(np.ravel(value).tolist()) if value is not None else None
    return typed(name, value, getattr(SchedulerConfig(), name))


def typed(name: str, value: object, default: object) -> object:
    """The value itself; UnsupportedScheduler when its type is not that of the setting's default."""
    allowed = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, allowed) or isinstance(value, bool) != isinstance(default, bool):
        raise UnsupportedScheduler(f"{name} must be a {type(default).__name__}, got {value!r}")
    return value
