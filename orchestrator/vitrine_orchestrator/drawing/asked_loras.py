"""The adapters that a picture's request names: their weights, and the limits of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.loras.registry import Card
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import MAX_NAME, shown, texts

MAX_WEIGHT = 4.0  # of an adapter, in both directions


def lora_names(arrays: Arrays) -> tuple[str, ...]:
    """The names of a request's adapters, in its order."""
    return tuple(name for name in texts(arrays, "lora", MAX_NAME) if name)


def named_weights(arrays: Arrays) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The names of a request's adapters and the weight of each, 1 by default.

    BadRequest unless there is one weight in range for each name, or none.
    """
    names = lora_names(arrays)
    weights = arrays.get("lora_weight", np.ones(len(names), np.float32)).reshape(-1)
    if len(weights) != len(names):
        raise BadRequest(f"lora_weight must be one for each of {len(names)} loras, got {len(weights)}")
    for weight in weights:
        if not -MAX_WEIGHT <= weight <= MAX_WEIGHT:
            raise BadRequest(f"lora_weight must be {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}, got {shown(weight)}")
    return names, tuple(float(weight) for weight in weights)


def check_rank(cards: Sequence[Card], most: int) -> None:
    """BadRequest for adapters whose ranks together exceed that of a slot."""
    if (needed := sum(card.rank for card in cards)) > most:
        raise BadRequest(f"the ranks of all loras of a request must sum to at most {most}, got {needed}")
