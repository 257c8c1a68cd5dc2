"""Puts the cache of one process together from its settings, going without what cannot be used."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vitrine.errors import Unavailable
from vitrine.s3 import place_of

from vitrine_orchestrator.cache.codec import Schema
from vitrine_orchestrator.cache.disk.process_lock import NoLocks, ProcessLocks
from vitrine_orchestrator.cache.disk.tier import DEFAULT_MAX_BYTES, Disk
from vitrine_orchestrator.cache.generations import Generations, OwnGenerations, SharedGenerations
from vitrine_orchestrator.cache.invalidation_feed import Watch, host_name
from vitrine_orchestrator.cache.key import Category
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.objects import S3Objects
from vitrine_orchestrator.cache.statistics import Numbers, Published, Sizes, statistics
from vitrine_orchestrator.cache.store import Store
from vitrine_orchestrator.cache.tier import Counters, Off
from vitrine_orchestrator.cache.tiered import Tiered
from vitrine_orchestrator.cache.tiered_memo import Locks, Memo
from vitrine_orchestrator.cache.tombstones import OwnTombstones, SharedTombstones, Tombstones

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheSettings:
    """Which tiers there are. Processes that share data must share `folder`: it carries invalidations too."""

    memory: Literal["on", "off"] = "on"
    folder: Path | None = None  # of a local file system; None: nothing outlives the process
    disk_bytes: int = DEFAULT_MAX_BYTES  # 0: the folder carries invalidations and locks, but no values
    store: str = "off"  # or s3://bucket/prefix
    endpoint: str | None = None  # of a store that is not Amazon's
    region: str | None = None
    keys: tuple[str, str] | None = None  # access key id and secret; None: found as boto3 finds them
    limits: Mapping[str, Category] = field(default_factory=dict)  # of memory, by category; see Memory


@dataclass(frozen=True)
class Shared:
    """What the processes of a host have in common, or its stand-ins within this process."""

    generations: Generations
    locks: Locks
    tombstones: Tombstones
    published: Published | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Cache:
    """An opened cache: `memo` for the pipelines, the rest for whoever operates it."""

    memo: Memo
    memory: Memory | None
    disk: Disk | None
    shared: Shared
    part: str | None = None  # the name of all that memory holds; None: each category by its own

    def statistics(self) -> Numbers:
        """Counters, rates and sizes, of all processes that share the folder."""
        counts, sizes = self.memo.counters.snapshot(), self.memory_sizes()
        if self.shared.published:
            self.shared.published.write(counts, sizes, at_once=True)
            counts, sizes = self.shared.published.read()
        return statistics(counts, {**sizes, **({"disk": self.disk.sizes()} if self.disk else {})})

    async def clear(self, owner: str) -> None:
        """Forget what `owner` (or key.EVERYTHING) has; Unavailable unless every tier has taken it."""
        if queued := await self.memo.tiers.forget(owner):
            raise Unavailable(queued)

    async def close(self) -> None:
        """Finish what was begun, within a bound."""
        await self.memo.close()

    def tidy(self) -> None:
        """Free what other processes' invalidations voided, and tell them what this one did."""
        if self.memory:
            self.memory.sweep()
        self.publish()

    def publish(self) -> None:
        """Tell the other processes now and then what this one did."""
        if self.shared.published:
            self.shared.published.write(self.memo.counters.snapshot(), self.memory_sizes())

    def memory_sizes(self) -> Sizes:
        """{part: {"entries": count, "bytes": size}} of this process's memory."""
        sizes = self.memory.sizes() if self.memory else {}
        if self.part is None:
            return sizes
        return {self.part: {what: sum(one[what] for one in sizes.values()) for what in ("entries", "bytes")}}


def open_cache(
    settings: CacheSettings, schemas: Mapping[str, Schema] | None = None, part: str | None = None
) -> Cache:
    """The cache of this process. A folder that cannot be used is logged and counted, and gone without."""
    counters = Counters()
    disk, shared = _open_folder(settings, counters)
    memory = Memory(shared.generations, counters, settings.limits) if settings.memory == "on" else None
    store = _open_store(settings, shared.folder, counters)
    tiers = Tiered(memory or Off(), disk or Off(), store or Off(), shared.tombstones, counters)
    watch = Watch(store.feed, tiers.forget_near, shared.folder) if store else None
    memo = Memo(tiers, shared.generations, shared.locks, schemas, watch)
    cache = Cache(memo, memory, disk, shared, part)
    memo.after = cache.publish
    return cache


def _open_store(settings: CacheSettings, folder: Path | None, counters: Counters) -> Store | None:
    if settings.store == "off":
        return None
    place = place_of(settings.store, settings.endpoint, settings.region, settings.keys)
    return Store(S3Objects(place), counters, host=host_name(folder))


def _open_folder(settings: CacheSettings, counters: Counters) -> tuple[Disk | None, Shared]:
    own = Shared(OwnGenerations(), NoLocks(), OwnTombstones())
    folder = settings.folder
    if folder is None:
        return None, own
    try:
        disk = Disk(folder, counters, settings.disk_bytes) if settings.disk_bytes else None
        return disk, Shared(
            disk.generations if disk else SharedGenerations(folder / "generations"),
            ProcessLocks(folder / "locks", counters),
            SharedTombstones(folder / "tombstones"),
            Published(folder / "statistics"),
            folder,
        )
    except OSError as error:
        logger.warning("the cache folder cannot be used, going on without: %s", error.strerror)
        counters.add("denied")
        return None, own
