"""Says why a network cannot run on the inputs of a request: which inputs, and by which rule."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from vitrine.errors import BadRequest, VitrineError

TRITON_WORDS = {"float": "FP", "object": "BYTES"}
WHERE = re.compile(r"^\S+\.(?:h|hpp|cc|cpp|cu)+:\d+ .*? was false\.\s*")
"""The line of ONNX Runtime's program, and its condition, with which some of its reasons begin."""
PATH = re.compile(r"\S*/\S*")
LONGEST = 200  # characters of ONNX Runtime's reason


def refused(name: str, feed: Mapping[str, np.ndarray]) -> BadRequest | None:
    """Why a network cannot run on these inputs, as far as their shapes tell; None if they tell nothing."""
    for tensor, array in feed.items():
        if array.size == 0:
            return BadRequest(f"{name} cannot run on {_shown(tensor, array)}: no axis may be 0")
    return None


def failed(name: str, feed: Mapping[str, np.ndarray], error: Exception) -> VitrineError:
    """The error of a request that fails when it runs alone.

    BadRequest, because its inputs must be bad; VitrineError if memory ran out.
    """
    if "allocate" in str(error):
        return VitrineError(f"{name} has no memory left for {_all(feed)}")
    return BadRequest(": ".join([f"{name} cannot run on {_all(feed)}", *_reasons(str(error))]))


def _all(feed: Mapping[str, np.ndarray]) -> str:
    return ", ".join(_shown(*one) for one in feed.items())


def _shown(name: str, array: np.ndarray) -> str:
    """An input as Triton's users know it: latents FP32 [1, 4, 64, 48]."""
    kind = array.dtype.name.rstrip("0123456789")
    dtype = TRITON_WORDS.get(kind, kind.upper()) + array.dtype.name.removeprefix(kind)
    return f"{name} {dtype} {list(array.shape)}"


def _reasons(text: str) -> list[str]:
    """ONNX Runtime's own reason, where it has one that says more than where its program stopped."""
    _, _, reason = text.partition("Status Message: ")
    if not reason and "invalid dimensions" in text:
        reason = "; ".join(re.findall(r"index: \d+ Got: \d+ Expected: \d+", text))
    reason = PATH.sub("…", WHERE.sub("", " ".join(reason.split())))
    return [reason[:LONGEST]] if reason else []
