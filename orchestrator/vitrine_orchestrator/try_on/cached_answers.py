"""Answers of the prepare models, kept by the process that asks: what is known costs no call of another model.

A call carries its arrays through shared memory twice, a millisecond on each of the three ways that every
try-on goes.
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
from vitrine_orchestrator.pipeline.request_context import read_aside, read_report, report_array, text_array
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import Arrays, Stages
from vitrine_orchestrator.try_on.cache_rows import Kind
from vitrine_orchestrator.try_on.prepared_items import Item, content_array, recipe_of, without_content
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, encoded, text, word

PART = "answers"  # what statistics call the answers kept


class Asked(NamedTuple):
    """A prepare model: what it prepares, and the inputs that are the thing itself."""

    what: str  # as its report calls it
    kind: Kind  # whose ids it takes
    content: tuple[str, ...]


CHOICES = ("mask", "person_index", "person_point")  # inputs that shape an answer, but are no picture of it
MODELS = {
    "prepare_person": Asked("person", "person", ("person", "person_raw", "crop")),
    "prepare_garment": Asked("garment", "garment", ("garment", "garment_raw")),
    "prepare_text": Asked("text", "content", ("description",)),
}


def open_answers(settings: CacheSettings) -> Cache | None:
    """Memory for answers; None where it is off, or where nobody would learn of an invalidation elsewhere."""
    if settings.memory == "off" or settings.folder is None:
        return None
    cache = open_cache(replace(settings, disk_bytes=0), part=PART)
    return cache if cache.shared.folder else None


Found = Callable[[str], None]
"""Is told what was known: person, garment or text."""


class KnownAnswers:
    """Stages whose prepare models are asked only for what they have not answered here before.

    Answers are kept under the id, else under the content, and are void when the prepare models' own values
    are: after an invalidation, another picture under the id, or when any process makes the value anew.
    """

    def __init__(self, stages: Stages, cache: Cache, pipeline_digest: str, found: Found) -> None:
        """`cache` is of `open_answers`; pipeline_digest: of the models' release."""
        assert cache.memory is not None, "answers are kept in memory"
        self.stages, self.cache, self.found = stages, cache, found
        self._pipeline_digest = pipeline_digest
        self._memory: Memory = cache.memory

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """The stage's outputs; a known answer says that it came from memory."""
        asked = MODELS.get(name)
        item = await self._item(name, asked, inputs) if asked else None
        if asked is None or item is None:
            return await self.stages(name, inputs)
        if self.cache.memo.follower:
            await self.cache.memo.follower.started()
        got = await self._memory.get(item.key)
        if got.value is not None and item.is_of(arrays := decode(got.value)):
            for event in ("total_requests", "l1_hits"):
                self.cache.memo.counters.add(event)
            self.found(asked.what)
            return _answer(name, arrays) | {"report": report_array({}, {asked.what: "memory"})}
        answer = await self.stages(name, inputs)
        if got.lease is not None:
            await self._keep(name, asked, item, answer, got.lease)
        return answer

    async def _item(self, name: str, asked: Asked, inputs: Inputs) -> Item | None:
        """What is asked for; None for a request that names nothing, which the model itself refuses."""
        known = None if asked.kind == "content" else text(inputs, f"{asked.kind}_id", MAX_NAME)
        given = {part: inputs[part] for part in asked.content if part in inputs}
        content = None
        if given.keys() - {"crop"}:
            content = await read_aside(lambda: _digest(given), given)
        if known is None and content is None:
            return None
        person = asked.what == "person"
        category = word(inputs, "category", CATEGORIES, "upper_body") if person else asked.what
        chosen = {part: inputs[part] for part in CHOICES if part in inputs}
        recipe = recipe_of(name, self._pipeline_digest, *([_digest(chosen)] if chosen else []))
        return Item(category, recipe, content, asked.kind, known)

    async def _keep(self, name: str, asked: Asked, item: Item, answer: Arrays, lease: Lease) -> None:
        """Keep an answer, unless it was made just now and others under its id became void with that."""
        if item.key.may_change and read_report(answer)["sources"][asked.what] == "fresh":
            return
        kept = {n: np.frombuffer(a[0], np.uint8) if _is_text(name, n) else a for n, a in answer.items()}
        del kept["report"]
        value = await asyncio.to_thread(encode, kept | content_array(item.content or ""))
        await self._memory.put(item.key, value, lease)


def _answer(name: str, kept: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    arrays = without_content(kept)
    return {n: text_array(a.tobytes()) if _is_text(name, n) else a for n, a in arrays.items()}


def _is_text(model: str, output: str) -> bool:
    return next(one.dtype for one in stage(model).outputs if one.name == output) == "STRING"


def _digest(given: Inputs) -> str:
    """Hexadecimal SHA-256 of arrays by name, as they were sent."""
    hashed = hashlib.sha256()
    for name in sorted(given):
        array = given[name]
        hashed.update(f"{name} {array.dtype} {array.shape} ".encode())
        if array.dtype != np.object_:
            hashed.update(np.ascontiguousarray(array).data)
            continue
        for value in encoded(given, name):
            hashed.update(f"{len(value)} ".encode())
            hashed.update(value)
    return hashed.hexdigest()
