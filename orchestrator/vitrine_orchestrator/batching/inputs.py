"""Reads the inputs of requests to the denoise model; BadRequest names the input, the rule and the value."""

from __future__ import annotations

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.engine.rows import Arrays

MAX_STEPS = 100
MAX_GUIDANCE = 20.0
MAX_NAME = 200  # characters of a name that a caller gives


def read_name(arrays: Arrays, name: str) -> str | None:
    """An optional BYTES input of one element as text; None when it is absent or empty."""
    if name not in arrays:
        return None
    array = arrays[name]
    if array.size != 1:
        raise BadRequest(f"{name} must have 1 element, got {array.size}")
    value = array.reshape(-1)[0]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if len(text) > MAX_NAME:
        raise BadRequest(f"{name} must have at most {MAX_NAME} characters, got {len(text)}")
    return text or None


def read_step(arrays: Arrays, name: str = "after_step") -> int:
    """The step of a watch, -1 … MAX_STEPS."""
    return int(read_scalar(arrays, name, np.int32, -1, MAX_STEPS))


def given(arrays: Arrays, name: str) -> np.ndarray:
    """An input that a job cannot do without."""
    if name not in arrays:
        raise BadRequest(f"{name} is missing: a job needs it")
    return arrays[name]


def read_tensor(arrays: Arrays, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 input of that shape whose values are all finite."""
    array = given(arrays, name)
    if array.dtype != np.float32:
        raise BadRequest(f"{name} must be float32, got {array.dtype}")
    if array.shape != shape:
        raise BadRequest(f"{name} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise BadRequest(f"{name} must be finite, got {np.sum(~np.isfinite(array))} NaN or infinite values")
    return np.ascontiguousarray(array)


def read_scalar(arrays: Arrays, name: str, dtype: type, least: float, most: float) -> np.generic:
    """An input of one element, of that dtype and in that range."""
    array = given(arrays, name)
    if array.dtype != dtype:
        raise BadRequest(f"{name} must be {np.dtype(dtype)}, got {array.dtype}")
    if array.size != 1:
        raise BadRequest(f"{name} must have 1 element, got {array.size}")
    value = array.reshape(-1)[0]
    if not least <= value.item() <= most:
        raise BadRequest(f"{name} must be {least:g} to {most:g}, got {value.item():g}")
    return value
