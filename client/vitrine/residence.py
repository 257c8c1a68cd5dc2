"""Adds what the owner of a server's memory says to the status of its models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from vitrine.answers import read_bytes
from vitrine.errors import VitrineError
from vitrine.statuses import ModelStatus

NOT_LOADED_PLACES = ("loading", "unloaded", "unloading")
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
        now_ms = int(state.get("time_ms", 0))
        return tuple(_joined(one, said[one.name], now_ms) if one.name in said else one for one in kept)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise VitrineError(f"the answer of the model {OWNER!r} cannot be read: {error!r}") from error


def _joined(status: ModelStatus, said: Mapping[str, object], now_ms: int) -> ModelStatus:
    place = str(said["state"])
    if not status.ready and place not in NOT_LOADED_PLACES:  # the owner has not noticed yet
        place = "unloaded"
    known = replace(
        status,
        place=place,
        memory_bytes=int(str(said["bytes"])),
        used_s_ago=_used_s_ago(status, said, now_ms),
    )
    return known if status.ready else replace(known, state=place.upper(), reason=str(said["reason"]))


def _used_s_ago(status: ModelStatus, said: Mapping[str, object], now_ms: int) -> float | None:
    """Seconds since a model's last call: the owner hears of calls only while memory is short.

    Triton's statistics know the others. They count the warm-up too, which ends before the load.
    """
    told, loaded = _seconds(said["used_s_ago"]), _seconds(said.get("loaded_s_ago"))
    counted = max(now_ms - status.last_inference_ms, 0) / 1000
    if loaded is None or counted >= loaded:
        return told
    return counted if told is None else min(told, counted)


def _seconds(value: object) -> float | None:
    return None if value is None else float(str(value))
