"""Adds what the owner of a server's memory says to the status of its models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from vitrine.answers import read_bytes
from vitrine.errors import VitrineError
from vitrine.statuses import ModelStatus

OWNER = "residency"
"""The model that owns the memory; only servers with a memory budget have it."""


def has_owner(statuses: Sequence[ModelStatus]) -> bool:
    """Return whether the owner of the memory can be asked."""
    return any(one.name == OWNER and one.ready for one in statuses)


def with_memory(
    statuses: Sequence[ModelStatus], outputs: Mapping[str, np.ndarray]
) -> tuple[ModelStatus, ...]:
    """Return the statuses, with the place, size and last use of the models that can be unloaded.

    Names that the owner has given up, because their loads never end, are left out.
    outputs: the owner's answer to an empty request. Raises VitrineError for one that cannot be read.
    """
    try:
        state = json.loads(read_bytes(outputs, "state"))
        said = {one["name"]: one for one in state["models"]}
        kept = [one for one in statuses if one.name not in state["lost"]]
        return tuple(_joined(one, said[one.name]) if one.name in said else one for one in kept)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise VitrineError(f"the answer of the model {OWNER!r} cannot be read: {error!r}") from error


def _joined(status: ModelStatus, said: Mapping[str, object]) -> ModelStatus:
    place = str(said["state"])
    known = replace(
        status, place=place, memory_bytes=int(str(said["bytes"])), used_s_ago=_seconds(said["used_s_ago"])
    )
    return known if status.ready else replace(known, state=place.upper(), reason=str(said["reason"]))


def _seconds(value: object) -> float | None:
    return None if value is None else float(str(value))
