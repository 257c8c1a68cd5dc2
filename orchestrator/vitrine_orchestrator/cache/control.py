"""Answers the requests of the model `cache_control`: statistics and invalidation (docs/cache.md)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import numpy as np
from vitrine.errors import BadRequest, Unavailable

from vitrine_orchestrator.cache.key import EVERYTHING, owner
from vitrine_orchestrator.cache.open_cache import Cache
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, flag, one_of, text

ACTIONS = ("stats", "clear")


async def control(cache: Cache, inputs: Inputs, kinds: Sequence[str]) -> Mapping[str, np.ndarray]:
    """The outputs of the model `cache_control`: `answer`, JSON in one BYTES value.

    kinds: the kinds of owners that have ids; the input "{kind}_id" names one. action "stats" returns the
    numbers of `Cache.statistics`. action "clear" with exactly one of the ids and `everything` returns
    {"cleared": owner} once no process of the host returns the owner's values. Raises BadRequest; Unavailable
    if the store did not take the invalidation (which is then queued), or if the processes share no folder,
    because their memories cannot be reached then.
    """
    action = one_of("action", text(inputs, "action") or "", ACTIONS)
    if cache.shared.folder is None:
        raise Unavailable(
            "this server's models share no cache folder, so their memories cannot be reached from here: "
            "set VITRINE_CACHE_FOLDER"
        )
    if action == "stats":
        return _answer(await asyncio.to_thread(cache.statistics))
    ids = {kind: text(inputs, f"{kind}_id", MAX_NAME) for kind in kinds}
    cleared = cleared_owner(ids, flag(inputs, "everything", False))
    await cache.clear(cleared)
    return _answer({"cleared": cleared or "everything"})


def cleared_owner(ids: Mapping[str, str | None], everything: bool) -> str:
    """The owner that an invalidation names, by {kind: id}; BadRequest unless exactly one is named."""
    named = [owner(kind, name) for kind, name in ids.items() if name is not None]
    named += [EVERYTHING] if everything else []
    if len(named) != 1:
        inputs = ", ".join(f"{kind}_id" for kind in ids)
        raise BadRequest(f"clear must name one of {inputs} and everything, got {len(named)}")
    return named[0]


def _answer(answer: Mapping[str, object]) -> Mapping[str, np.ndarray]:
    return {"answer": np.array([json.dumps(answer).encode()], np.object_)}
