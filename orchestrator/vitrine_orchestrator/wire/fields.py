"""Reads the inputs of a request: words, texts, numbers, tensors.

Every BadRequest raised here names the input, the rule and the value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from vitrine.errors import BadRequest
from vitrine.photos.base64_text import bytes_of_text

Inputs = Mapping[str, np.ndarray]
Word = TypeVar("Word", bound=str)

ENCODINGS = ("binary", "base64")
MAX_TEXT = 2000  # characters of a description; far more than an encoder's 77 tokens
MAX_NAME = 200  # characters of an id or of a job's name
MAX_STEPS = 100
MAX_SEED = 2**64 - 1
MAX_GUIDANCE = 20.0


def encoded(inputs: Inputs, name: str) -> list[bytes]:
    """The elements of a BYTES input, in order; empty when it is absent."""
    if name not in inputs:
        return []
    return [value if isinstance(value, bytes) else str(value).encode() for value in inputs[name].reshape(-1)]


def pictures(inputs: Inputs, name: str) -> list[bytes]:
    """The encoded pictures of a BYTES input, decoded from base64 when the request's encoding is base64."""
    values = encoded(inputs, name)
    return [bytes_of_text(value, name) if value else value for value in values] if as_text(inputs) else values


def as_text(inputs: Inputs) -> bool:
    """Whether pictures in the request and the answer are base64 text, for callers limited to JSON."""
    return word(inputs, "encoding", ENCODINGS, "binary") == "base64"


def texts(inputs: Inputs, name: str, longest: int = MAX_TEXT) -> list[str]:
    """The elements of a BYTES input as text, without white space at their ends."""
    found = []
    for value in encoded(inputs, name):
        try:
            text = value.decode().strip()
        except UnicodeDecodeError as error:
            raise BadRequest(f"{name} must be UTF-8, got {value[:40]!r}") from error
        if len(text) > longest:
            raise BadRequest(f"{name} must have at most {longest} characters, got {len(text)}")
        found.append(text)
    return found


def text(inputs: Inputs, name: str, longest: int = MAX_TEXT) -> str | None:
    """The only element of a BYTES input as text; None when it is absent or empty."""
    found = texts(inputs, name, longest)
    if len(found) > 1:
        raise BadRequest(f"{name} must be one text, got {len(found)}")
    return (found or [""])[0] or None


def word(inputs: Inputs, name: str, words: Sequence[Word], default: Word) -> Word:
    """The input's text, which must be one of `words`; `default`, which may be another one, without it."""
    given = text(inputs, name)
    return one_of(name, given, words) if given else default


def one_of(name: str, value: str, words: Sequence[Word]) -> Word:
    """The value of the input `name`, which must be one of `words`."""
    for known in words:
        if value == known:
            return known
    raise BadRequest(f"{name} must be one of {', '.join(words)}, got {value[:40]!r}")


def number(inputs: Inputs, name: str, low: float, high: float, default: float) -> float:
    """A number from `low` to `high`, as Python's int or float; `default` when it is absent."""
    if name not in inputs:
        return default
    if inputs[name].size != 1:
        raise BadRequest(f"{name} must be one number, got {inputs[name].size}")
    value = inputs[name].reshape(-1)[0]
    if not math.isfinite(value) or not low <= value.item() <= high:
        raise BadRequest(f"{name} must be {shown(low)} to {shown(high)}, got {shown(value)}")
    return value.item()


def shown(value: float | np.generic) -> str:
    """A number for messages, with all digits that its own type needs: float32 20.000002, 2147483647, 20."""
    return str(value).removesuffix(".0")


def flag(inputs: Inputs, name: str, default: bool) -> bool:
    """A switch; `default` when it is absent."""
    return bool(number(inputs, name, 0, 1, default))


def identifier(inputs: Inputs, name: str) -> str | None:
    """A BYTES input of one element as a name; None when it is absent or empty."""
    if name in inputs:
        _check_single(inputs[name], name)
    return text(inputs, name, MAX_NAME)


def required(inputs: Inputs, name: str) -> np.ndarray:
    """An input that a job cannot be computed without."""
    if name not in inputs:
        raise BadRequest(f"{name} is missing: a job needs it")
    return inputs[name]


def tensor(inputs: Inputs, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A required float32 input of that shape whose values are all finite; the answer is contiguous."""
    array = required(inputs, name)
    if array.dtype != np.float32:
        raise BadRequest(f"{name} must be float32, got {array.dtype}")
    if array.shape != shape:
        raise BadRequest(f"{name} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise BadRequest(f"{name} must be finite, got {np.sum(~np.isfinite(array))} NaN or infinite values")
    return np.ascontiguousarray(array)


def scalar(inputs: Inputs, name: str, dtype: type, low: float, high: float) -> np.generic:
    """A required input of one element, of that dtype and from `low` to `high`."""
    array = required(inputs, name)
    if array.dtype != dtype:
        raise BadRequest(f"{name} must be {np.dtype(dtype)}, got {array.dtype}")
    _check_single(array, name)
    value = array.reshape(-1)[0]
    if not low <= value.item() <= high:
        raise BadRequest(f"{name} must be {shown(low)} to {shown(high)}, got {shown(value)}")
    return value


def _check_single(array: np.ndarray, name: str) -> None:
    if array.size != 1:
        raise BadRequest(f"{name} must have 1 element, got {array.size}")
