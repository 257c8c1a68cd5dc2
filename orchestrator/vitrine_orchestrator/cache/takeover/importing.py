"""Imports the data of the old layout: reads PNG files and pickled tensors, and writes checked entries."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from vitrine.s3 import odd_key

from vitrine_orchestrator.cache.codec import BadArrays, check, check_finite, encode
from vitrine_orchestrator.cache.layout import BadEntry
from vitrine_orchestrator.cache.objects import Objects, ObjectsFault, get_whole
from vitrine_orchestrator.cache.store import Store
from vitrine_orchestrator.cache.takeover.old_layout import IMPORTED_SCHEMAS, OldSet, find_sets, to_array
from vitrine_orchestrator.cache.takeover.pickle_opcodes import Refused

logger = logging.getLogger(__name__)

MAX_CONCURRENT_SETS = 8  # sets that are imported concurrently

# The outcomes of a set, and whether such a set makes the import fail.
OUTCOMES = {
    "imported": False,
    "already there": False,  # imported by an earlier run
    "incomplete": True,  # objects of the set are missing
    "refused": True,  # an object is damaged or of another format
    "conflict": True,  # the same garment id was imported from another folder; the first one stays
    "not reached": True,  # a store did not answer: run the import again
}


@dataclass
class Report:
    """The outcomes of an import: counts, reasons of sets that were not imported, and paths of no set."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)  # keys with empty parts, ".", "..", control characters
    read_bytes: int = 0

    @property
    def failed(self) -> bool:
        """Whether some old data could not be imported."""
        return any(OUTCOMES[outcome] for outcome, count in self.outcomes.items() if count)


class Importer:
    """One import. It changes and deletes nothing old, and skips the sets of earlier imports."""

    def __init__(self, old: Objects, store: Store, dry_run: bool = False) -> None:
        """`dry_run`: read and check everything, write nothing."""
        self.old, self.store, self.dry_run = old, store, dry_run
        self.report = Report()
        self._gate = asyncio.Semaphore(MAX_CONCURRENT_SETS)

    async def run(
        self,
        prefix: str = "",
        on_start: Callable[[int], None] = lambda sets: None,
        on_set: Callable[[str], None] = lambda outcome: None,
    ) -> Report:
        """Import every set below `prefix`. Calls `on_start(number of sets)` and `on_set(outcome)`.

        Raises ObjectsFault if the old objects cannot be listed.
        """
        listed = await self.old.every_key(prefix)
        self.report.odd = [one.path for one in listed if odd_key(one.path)]
        sets, self.report.others = find_sets(one for one in listed if not odd_key(one.path))
        on_start(len(sets))

        async def one(old_set: OldSet) -> None:
            async with self._gate:
                outcome, reason = await self._import(old_set)
            self.report.outcomes[outcome] += 1
            if reason:
                self.report.reasons.append(f"{old_set.source}: {outcome}: {reason}")
            on_set(outcome)

        await asyncio.gather(*map(one, sets))
        return self.report

    async def _import(self, old_set: OldSet) -> tuple[str, str]:
        """(outcome, reason or "")."""
        if old_set.missing:
            return "incomplete", f"no {', '.join(old_set.missing)}"
        try:
            lease, manifest = await self.store.look_up(old_set.key)
            if manifest and manifest.source == old_set.source:
                return "already there", ""
            if manifest:
                return "conflict", f"it is there from {manifest.source}"
            value = await self._value(old_set)
            if self.dry_run:
                return "imported", ""
            kept = await self.store.put(old_set.key, value, lease, old_set.source)
        except (BadArrays, BadEntry, Refused) as error:
            return "refused", str(error)
        except ObjectsFault as error:
            return "not reached", str(error)
        return ("imported", "") if kept else ("not reached", "the store did not take it")

    async def _value(self, old_set: OldSet) -> bytes:
        schema = IMPORTED_SCHEMAS[old_set.key.category]
        contents = await asyncio.gather(
            *(get_whole(self.old, one.path, one.size) for one in old_set.files.values())
        )
        self.report.read_bytes += sum(map(len, contents))

        def convert() -> bytes:
            arrays: dict[str, np.ndarray] = {}
            for (name, listed), data in zip(old_set.files.items(), contents, strict=True):
                arrays[name] = to_array(name, schema[name], listed.path, data)
            check(arrays, schema)
            check_finite(arrays)
            return encode(arrays)

        return await asyncio.to_thread(convert)
