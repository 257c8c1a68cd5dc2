"""Statistics and invalidation as a request: what the model `cache_control` answers (docs/cache.md)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import numpy as np
from vitrine.errors import BadRequest, Unavailable

from vitrine_orchestrator.cache.key import EVERYTHING, owner
from vitrine_orchestrator.cache.open_cache import Cache
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, flag, text, word

ACTIONS = ("stats", "clear")


async def control(cache: Cache, inputs: Inputs) -> Mapping[str, np.ndarray]:
    """The outputs of the model `cache_control`: `answer`, JSON in one BYTES value.

    action "stats": the numbers of `Cache.statistics`. action "clear" with one of person_id, garment_id and
    everything: {"cleared": owner}, once no process of the host answers what it had. Raises BadRequest, or
    Unavailable where the store did not take an invalidation (it is queued then), and where the processes
    share no folder, so that nothing could be promised of their memories.
    """
    action = word(inputs, "action", ACTIONS, "")
    if cache.shared.folder is None:
        raise Unavailable(
            "this server's models share no cache folder, so their memories cannot be reached from here: "
            "set VITRINE_CACHE_FOLDER"
        )
    if action == "stats":
        return _answer(await asyncio.to_thread(cache.statistics))
    who = cleared_owner(
        text(inputs, "person_id", MAX_NAME),
        text(inputs, "garment_id", MAX_NAME),
        flag(inputs, "everything", False),
    )
    await cache.clear(who)
    return _answer({"cleared": who or "everything"})


def cleared_owner(person_id: str | None, garment_id: str | None, everything: bool) -> str:
    """Whom an invalidation is about; BadRequest unless exactly one is named."""
    named = [
        *([owner("person", person_id)] if person_id is not None else []),
        *([owner("garment", garment_id)] if garment_id is not None else []),
        *([EVERYTHING] if everything else []),
    ]
    if len(named) != 1:
        raise BadRequest(f"clear must name one of person_id, garment_id and everything, got {len(named)}")
    return named[0]


def _answer(answer: Mapping[str, object]) -> Mapping[str, np.ndarray]:
    return {"answer": np.array([json.dumps(answer).encode()], np.object_)}
