"""Cached answers of the prepare models, in the memory of the process that calls them.

A hit saves the call of another model, which copies its arrays through shared memory twice: about one
millisecond for each of the three prepare models of a try-on.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vitrine_orchestrator.cache.codec import decode, encode
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.open_cache import Cache, CacheSettings, open_cache
from vitrine_orchestrator.cache.tier import Lease
from vitrine_orchestrator.person.labels import CATEGORIES
from vitrine_orchestrator.pipeline.prepared_items import (
    Kind,
    PreparedItem,
    content_array,
    recipe_digest,
    without_content,
)
from vitrine_orchestrator.pipeline.request_context import read_aside, read_report, report_array, text_array
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, encoded, text, word

PART = "answers"  # the name of these cached answers in statistics


class PrepareModel(NamedTuple):
    """A prepare model: what it prepares, and which of its inputs are the content."""

    what: str  # its name in the report's sources: person, garment, text or prompt
    kind: Kind  # the kind of its ids; "content" where it takes none
    content: tuple[str, ...]  # inputs whose digest is the content digest
    choices: tuple[str, ...] = ()  # further inputs that shape an answer


MODELS = {
    "prepare_person": PrepareModel(
        "person", "person", ("person", "person_raw"), ("crop", "mask", "person_index", "person_point")
    ),
    "prepare_garment": PrepareModel(
        "garment", "garment", ("garment", "garment_raw"), ("category", "garment_photo_type")
    ),
    "prepare_text": PrepareModel("text", "content", ("description",)),
    "prepare_prompt": PrepareModel("prompt", "content", ("prompt",)),
}


def open_answers(settings: CacheSettings) -> Cache | None:
    """Memory for answers; None where it is off, or where no invalidations by other processes would arrive."""
    if settings.memory == "off" or settings.folder is None:
        return None
    cache = open_cache(replace(settings, disk_bytes=0), part=PART)
    return cache if cache.shared.folder else None


OnHit = Callable[[str], None]
"""Called for each hit with what was cached: a `what` of MODELS."""


class CachedAnswers:
    """Stages that call a prepare model only when its answer is not cached here.

    Answers are kept by id, else by content. They become invalid together with the prepare models' own values:
    after an invalidation, after another picture under the id, or when any process computes the value again.
    """

    def __init__(self, stages: Stages, cache: Cache, pipeline_digest: str, on_hit: OnHit) -> None:
        """`cache` comes from `open_answers`; `pipeline_digest` is that of the models' release."""
        assert cache.memory is not None, "answers are kept in memory"
        self.stages, self.cache, self.on_hit = stages, cache, on_hit
        self._pipeline_digest = pipeline_digest
        self._memory: Memory = cache.memory

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """The stage's outputs; the report of a cached answer has the source "memory"."""
        model = MODELS.get(name)
        item = await self._item(name, model, inputs) if model else None
        if model is None or item is None:
            return await self.stages(name, inputs)
        if self.cache.memo.follower:
            await self.cache.memo.follower.started()
        cached = await self._memory.get(item.key)
        if cached.value is not None and item.matches(arrays := decode(cached.value)):
            for event in ("total_requests", "l1_hits"):
                self.cache.memo.counters.add(event)
            self.on_hit(model.what)
            return _answer(name, arrays) | {"report": report_array({}, {model.what: "memory"})}
        answer = await self.stages(name, inputs)
        if cached.lease is not None:
            await self._keep(name, model, item, answer, cached.lease)
        return answer

    async def _item(self, name: str, model: PrepareModel, inputs: Inputs) -> PreparedItem | None:
        """The item requested; None for a request without id and content, which the model itself refuses."""
        id_ = None if model.kind == "content" else text(inputs, f"{model.kind}_id", MAX_NAME)
        content_inputs = {part: inputs[part] for part in model.content if part in inputs}
        content = None
        if content_inputs:
            content = await read_aside(lambda: _digest(content_inputs), content_inputs)
        if id_ is None and content is None:
            return None
        person = model.what == "person"
        category = word(inputs, "category", CATEGORIES, "upper_body") if person else model.what
        chosen = {part: inputs[part] for part in model.choices if part in inputs}
        recipe = recipe_digest(name, self._pipeline_digest, *([_digest(chosen)] if chosen else []))
        return PreparedItem(category, recipe, content, model.kind, id_, CATEGORIES if person else ())

    async def _keep(
        self, name: str, model: PrepareModel, item: PreparedItem, answer: Arrays, lease: Lease
    ) -> None:
        """Keep an answer, unless it is fresh under an id: computing it invalidated the id's other answers."""
        if item.key.may_change and read_report(answer)["sources"][model.what] == "fresh":
            return
        arrays = {n: np.frombuffer(a[0], np.uint8) if _is_text(name, n) else a for n, a in answer.items()}
        del arrays["report"]
        value = await asyncio.to_thread(encode, arrays | content_array(item.content or ""))
        await self._memory.put(item.key, value, lease)


def _answer(name: str, kept: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    arrays = without_content(kept)
    return {n: text_array(a.tobytes()) if _is_text(name, n) else a for n, a in arrays.items()}


def _is_text(model: str, output: str) -> bool:
    return next(one.dtype for one in stage(model).outputs if one.name == output) == "STRING"


def _digest(arrays: Inputs) -> str:
    """Hexadecimal SHA-256 of the inputs, as they were sent, in the order of their names."""
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        hashed.update(f"{name} {array.dtype} {array.shape} ".encode())
        if array.dtype != np.object_:
            hashed.update(np.ascontiguousarray(array).data)
            continue
        for value in encoded(arrays, name):
            hashed.update(f"{len(value)} ".encode())
            hashed.update(value)
    return hashed.hexdigest()
