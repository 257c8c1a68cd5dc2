"""Reads the scheduler_config.json of a flow-matching checkpoint (FlowMatchEulerDiscreteScheduler)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from vitrine_orchestrator.sampling.config import UnsupportedScheduler, refuse_unknown, typed


@dataclass(frozen=True)
class FlowConfig:
    """The settings that change a result. The defaults are FlowMatchEulerDiscreteScheduler's in diffusers."""

    num_train_timesteps: int = 1000
    shift: float = 1.0  # the same for every size; used without use_dynamic_shifting
    use_dynamic_shifting: bool = False
    base_shift: float | None = 0.5  # μ at base_image_seq_len tokens
    max_shift: float | None = 1.15  # μ at max_image_seq_len tokens
    base_image_seq_len: int | None = 256
    max_image_seq_len: int | None = 4096
    shift_terminal: float | None = None  # the last σ before 0 is stretched to this
    time_shift_type: str = "exponential"


_ONLY: dict[str, tuple[object, ...]] = {  # settings that change nothing at these values
    "use_karras_sigmas": (False, None),
    "use_exponential_sigmas": (False, None),
    "use_beta_sigmas": (False, None),
    "invert_sigmas": (False, None),
    "stochastic_sampling": (False, None),
}

_BY_SIZE = ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len")


def read_flow_config(config: Mapping[str, object]) -> FlowConfig:
    """The settings of the file; UnsupportedScheduler names a setting that is unknown or not supported."""
    known = {field.name: field.default for field in fields(FlowConfig)}
    refuse_unknown(config, known.keys() | _ONLY.keys())
    for name, allowed in _ONLY.items():
        if (value := config.get(name)) not in allowed:
            raise UnsupportedScheduler(f"{name} must be {allowed[0]!r}, got {value!r}")
    given: dict[str, Any] = {
        name: _value(name, config[name], known[name]) for name in known.keys() & config.keys()
    }
    read = FlowConfig(**given)
    _check(read)
    return read


def _value(name: str, value: object, default: object) -> object:
    if value is None and (name in _BY_SIZE or default is None):
        return None
    return typed(name, value, 0.0 if default is None else default)


def _check(config: FlowConfig) -> None:
    if config.time_shift_type not in ("exponential", "linear"):
        raise UnsupportedScheduler(
            f"time_shift_type must be 'exponential' or 'linear', got {config.time_shift_type!r}"
        )
    for name, value in vars(config).items():
        if isinstance(value, float) and not isfinite(value):
            raise UnsupportedScheduler(f"{name} must be finite, got {value}")
    for name in ("num_train_timesteps", "shift"):
        if not getattr(config, name) > 0:
            raise UnsupportedScheduler(f"{name} must be more than 0, got {getattr(config, name)}")
    if config.shift_terminal is not None and not 0 <= config.shift_terminal < 1:
        raise UnsupportedScheduler(f"shift_terminal must be 0 to below 1, got {config.shift_terminal}")
    if config.use_dynamic_shifting:
        if missing := [name for name in _BY_SIZE if getattr(config, name) is None]:
            raise UnsupportedScheduler(f"use_dynamic_shifting needs {', '.join(missing)}")
        if config.base_image_seq_len == config.max_image_seq_len:
            raise UnsupportedScheduler(
                "base_image_seq_len must differ from max_image_seq_len, "
                f"got {config.base_image_seq_len} twice"
            )
