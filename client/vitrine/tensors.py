"""Texts and numbers as named tensors; what cannot be sent is a BadRequest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from vitrine.errors import BadRequest

Tensors: TypeAlias = Mapping[str, np.ndarray]
"""Tensors by name; BYTES tensors are object arrays of bytes."""


def texts(name: str, value: str | Sequence[str] | None, count: int | None = None) -> dict[str, np.ndarray]:
    """Return a BYTES tensor of one text, or of `count` texts; no tensor for None."""
    if value is None:
        return {}
    given = [value] if isinstance(value, str) else list(value)
    if len(given) != (count or 1):
        raise BadRequest(f"{name} must be {count or 1} text(s), one for each garment, got {len(given)}")
    return {name: byte_tensor([utf8(name, text) for text in given])}


def number(name: str, value: float | None, dtype: type[np.number]) -> dict[str, np.ndarray]:
    """Return a tensor of one number; the server checks its range."""
    if value is None:
        return {}
    whole = np.issubdtype(dtype, np.integer)
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise BadRequest(f"{name} must be {'a whole number' if whole else 'a number'}, got {value!r}")
    try:
        return {name: np.array([value], dtype)}
    except OverflowError as error:
        raise BadRequest(f"{name} must fit {np.dtype(dtype).name}, got {value}") from error


def utf8(name: str, text: str) -> bytes:
    """Return the text in UTF-8; `name` is that of the input, for errors."""
    if not isinstance(text, str):
        raise BadRequest(f"{name} must be text, got {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"{name} must be valid Unicode, got a lone surrogate in {text!r}") from error


def byte_tensor(values: Iterable[bytes]) -> np.ndarray:
    """Return a BYTES tensor (n,) of dtype object, because numpy's bytes dtype drops trailing zeros."""
    return np.array(list(values), dtype=np.object_)
