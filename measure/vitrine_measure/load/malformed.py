"""Malformed requests: random tensors for a random model, and bytes that are no request."""

from __future__ import annotations

import random

import numpy as np
from vitrine.inputs import Tensors
from vitrine_orchestrator.stages import STAGES, Stage, Tensor, numpy_dtype

TEXTS = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" * 9, b"x" * 300, b"\xff\xfe", b"nan")
SIDES = (0, 1, 1, 2, 3, 8, 9)
ABSENT, ODD_RANK = 0.3, 0.2  # probability of an omitted input, and of an additional axis
LARGEST = 100_000  # largest number of elements of a tensor

ASKED = tuple(row for row in STAGES if not row.decoupled)


def malformed(dice: random.Random) -> tuple[str, Tensors]:
    """Return a model's name and tensors, mostly of the right type, rarely of the right shape or content."""
    row = dice.choice(ASKED)
    given = [tensor for tensor in row.inputs if dice.random() > ABSENT]
    return row.name, {tensor.name: _values(dice, _shape(dice, row, tensor), tensor) for tensor in given}


def noise(dice: random.Random) -> bytes:
    """Return bytes that are no request, or the first half of a request."""
    head = b"POST /v2/models/try_on/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n"
    start = dice.choice((b"", head, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /v2/models/"))
    return start + dice.randbytes(dice.randrange(1, 40_000))


def _shape(dice: random.Random, row: Stage, tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(dim if isinstance(dim, int) and dim > 0 else dice.choice(SIDES) for dim in tensor.dims)
    if np.prod(shape) > LARGEST:
        shape = tuple(dice.choice(SIDES) for _ in shape)
    if row.max_batch:
        shape = (1, *shape)
    return (*shape, 1) if dice.random() < ODD_RANK else shape


def _values(dice: random.Random, shape: tuple[int, ...], tensor: Tensor) -> np.ndarray:
    size = int(np.prod(shape))
    if tensor.dtype == "STRING":
        return np.array([dice.choice(TEXTS) for _ in range(size)], object).reshape(shape)
    bits = np.frombuffer(dice.randbytes(8 * size), np.uint8)
    with np.errstate(all="ignore"):
        numbers = bits.view(np.float64 if tensor.dtype == "FP32" else np.int64)
        return numbers.astype(numpy_dtype(tensor)).reshape(shape)
