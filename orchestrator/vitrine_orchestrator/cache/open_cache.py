"""Opens the cache of one process from its settings; a tier that cannot be used is left out."""

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
from vitrine_orchestrator.cache.invalidation_feed import FeedFollower, host_name
from vitrine_orchestrator.cache.key import Category
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.objects import S3Objects
from vitrine_orchestrator.cache.statistics import Numbers, SharedStatistics, Sizes, statistics
from vitrine_orchestrator.cache.store import Store
from vitrine_orchestrator.cache.tier import CacheCounters, Off
from vitrine_orchestrator.cache.tiered import Tiered
from vitrine_orchestrator.cache.tiered_memo import Locks, TieredMemo
from vitrine_orchestrator.cache.tombstones import OwnTombstones, SharedTombstones, Tombstones

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheSettings:
    """The tiers of a cache. Processes that share data must share `folder`, which carries invalidations."""

    memory: Literal["on", "off"] = "on"
    folder: Path | None = None  # on a local file system; None: nothing outlives the process
    disk_bytes: int = DEFAULT_MAX_BYTES  # 0: the folder holds invalidations and locks, but no values
    store: str = "off"  # or s3://bucket/prefix
    endpoint: str | None = None  # URL of a store that is not Amazon's
    region: str | None = None
    keys: tuple[str, str] | None = None  # access key id and secret; None: searched like boto3 does
    limits: Mapping[str, Category] = field(default_factory=dict)  # limits of memory by category; see Memory


@dataclass(frozen=True)
class Shared:
    """State shared by the processes of a host through the folder; of this process alone without one."""

    generations: Generations
    locks: Locks
    tombstones: Tombstones
    published: SharedStatistics | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Cache:
    """An open cache: pipelines use `memo`; statistics, metrics and invalidation use the rest."""

    memo: TieredMemo
    memory: Memory | None
    disk: Disk | None
    shared: Shared
    part: str | None = None  # one name for memory's sizes in statistics; None: one for each category

    def statistics(self) -> Numbers:
        """Counters, rates and sizes, summed over all processes that share the folder."""
        counts, sizes = self.memo.counters.snapshot(), self.memory_sizes()
        if self.shared.published:
            self.shared.published.write(counts, sizes, at_once=True)
            counts, sizes = self.shared.published.read()
        return statistics(counts, {**sizes, **({"disk": self.disk.sizes()} if self.disk else {})})

    async def clear(self, owner: str) -> None:
        """Forget all values of `owner` (or key.EVERYTHING); Unavailable unless every tier has taken it."""
        if queued := await self.memo.tiers.forget(owner):
            raise Unavailable(queued)

    async def close(self) -> None:
        """Finish writes that have begun, within a time limit."""
        await self.memo.close()

    def tidy(self) -> None:
        """Free values that other processes invalidated, and publish this process's statistics."""
        if self.memory:
            self.memory.sweep()
        self.publish()

    def publish(self) -> None:
        """Publish this process's statistics in the folder, at most once in statistics.PUBLISH_S."""
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
    """The cache of this process. A folder that cannot be used is logged, counted and left out."""
    counters = CacheCounters()
    disk, shared = _open_folder(settings, counters)
    memory = Memory(shared.generations, counters, settings.limits) if settings.memory == "on" else None
    store = _open_store(settings, shared.folder, counters)
    tiers = Tiered(memory or Off(), disk or Off(), store or Off(), shared.tombstones, counters)
    follower = FeedFollower(store.feed, tiers.forget_near, shared.folder) if store else None
    memo = TieredMemo(tiers, shared.generations, shared.locks, schemas, follower)
    cache = Cache(memo, memory, disk, shared, part)
    memo.after_result = cache.publish
    return cache


def _open_store(settings: CacheSettings, folder: Path | None, counters: CacheCounters) -> Store | None:
    if settings.store == "off":
        return None
    place = place_of(settings.store, settings.endpoint, settings.region, settings.keys)
    return Store(S3Objects(place), counters, host=host_name(folder))


def _open_folder(settings: CacheSettings, counters: CacheCounters) -> tuple[Disk | None, Shared]:
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
            SharedStatistics(folder / "statistics"),
            folder,
        )
    except OSError as error:
        logger.warning("the cache folder cannot be used; continuing without it: %s", error.strerror)
        counters.add("denied")
        return None, own
