"""Texts and numbers as named tensors; what cannot be sent is a BadRequest."""

from __future__ import annotations

import json
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
    given = listed(name, value)
    if len(given) != (count or 1):
        raise BadRequest(f"{name} must be {count or 1} text(s), one for each garment, got {len(given)}")
    return {name: byte_tensor([utf8(name, text) for text in given])}


def listed(name: str, value: str | Iterable[str]) -> list[str]:
    """Return one text, or several, as a list; BadRequest for what is neither, such as bytes or a number."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes | bytearray | memoryview | Mapping) or not isinstance(value, Iterable):
        raise BadRequest(f"{name} must be text, or a list of texts, got {type(value).__name__}")
    return list(value)


def number(name: str, value: float | None, dtype: type[np.number]) -> dict[str, np.ndarray]:
    """Return a tensor of one number; the server checks its range."""
    if value is None:
        return {}
    whole = np.issubdtype(dtype, np.integer)
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise BadRequest(f"{name} must be {'a whole number' if whole else 'a number'}, got {value!r}")
    try:
        # numpy's own integers would wrap: -1 would become the largest seed
        plain = int(value) if whole else float(value)
        if not whole and np.isfinite(plain) and abs(plain) > float(np.finfo(np.float32).max):
            raise OverflowError
        return {name: np.array([plain], dtype)}
    except OverflowError as error:
        raise BadRequest(f"{name} must fit {np.dtype(dtype).name}, got {str(value)[:40]}") from error


def whole_numbers(name: str, values: object, parts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return an INT32 tensor of one number for each of `parts`, such as "x" and "y"; no tensor for None."""
    if values is None:
        return {}
    given: list[float] = []
    if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes):
        given = list(values)
    if len(given) != len(parts) or any(one is None for one in given):
        raise BadRequest(f"{name} must be {', '.join(parts[:-1])} and {parts[-1]}, got {values!r}")
    return {name: np.concatenate([number(name, one, np.int32)[name] for one in given])}


def as_json(name: str, value: object) -> dict[str, np.ndarray]:
    """Return a BYTES tensor of the value as JSON, its names in order; no tensor for None."""
    if value is None:
        return {}
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"{name} must be strings, numbers and lists by field, got {error}") from error
    return {name: byte_tensor([utf8(name, written)])}


def texts_to_set(name: str, value: object) -> list[str | Mapping[str, object]]:
    """Return one text to set on a picture, or several, each in words or by its fields, as a list."""
    given = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(given, list | tuple) or not all(isinstance(one, str | Mapping) for one in given):
        raise BadRequest(f"{name} must be a text, or fields by name, or a list of these, got {value!r:.60}")
    return list(given)


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
