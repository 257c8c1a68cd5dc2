"""Stacks memory, disk and the object store: reads from the fastest, and fills faster tiers after a hit."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, TypeVar

from vitrine.errors import Unavailable

from vitrine_orchestrator.cache.key import Key
from vitrine_orchestrator.cache.tier import CacheCounters, Got, Lease, Tier
from vitrine_orchestrator.cache.tombstones import Tombstones

logger = logging.getLogger(__name__)

SETTLE_S = 10.0  # how often invalidations that the store has not taken are tried again

T = TypeVar("T")
Source = Literal["memory", "disk", "store"]
Leases = dict[Source, Lease | None]  # by source: the lease that each tier returned with its miss


class Lookup(NamedTuple):
    """A value and its source, or None for both; and the leases of the tiers that missed."""

    value: bytes | None
    source: Source | None
    leases: Leases


class Tiered:
    """Three tiers, each of which may be Off. A hit is put into the faster tiers.

    No fault of a tier is raised, not even one that the tier failed to catch: it is counted, logged, and
    treated as a miss. Only `forget` raises, because callers must know that an invalidation may not hold.
    """

    def __init__(
        self,
        memory: Tier,
        disk: Tier,
        store: Tier,
        tombstones: Tombstones,
        counters: CacheCounters | None = None,
    ) -> None:
        self.tiers: dict[Source, Tier] = {"memory": memory, "disk": disk, "store": store}
        self.tombstones, self.counters = tombstones, counters or CacheCounters()
        self._settled_s = -SETTLE_S

    async def near(self, key: Key) -> Lookup:
        """Look in memory and on disk."""
        return await self._find(key, ("memory", "disk"), {})

    async def far(self, key: Key, leases: Leases) -> Lookup:
        """Look in the object store, with the `leases` of `near`; a miss if an invalidation is pending."""
        if await self._guarded(self._is_pending, key.owner, default=True):
            return Lookup(None, None, leases)
        return await self._find(key, ("store",), leases)

    async def keep(self, key: Key, value: bytes, leases: Leases, *where: Source) -> None:
        """Put a value into the tiers `where`, with the leases of their misses."""
        for source in where:
            lease = leases.get(source)
            if lease is not None:
                await self._guarded(self.tiers[source].put, key, value, lease, default=False)

    async def forget(self, owner: str) -> str | None:
        """No get that begins after this returns answers an old value of `owner` (or EVERYTHING).

        That holds for every process that shares the disk folder, and for every host's reads from the store.
        Raises Unavailable if memory or disk could not guarantee it. Returns a text if only the store did not
        take it: it is queued, and until it is done this host reads nothing of the owner from the store.
        """
        try:
            tombstone = self.tombstones.add(owner)  # first, so that it survives the death of this process
        except Unavailable as error:
            await self._forget_unqueued(owner, error)
            return None
        await self.forget_near(owner)
        try:
            await self.tiers["store"].forget(owner)
        except Unavailable as error:
            return f"{error}; it is queued, and nothing stale is served here"
        self.tombstones.remove(tombstone)
        return None

    async def _forget_unqueued(self, owner: str, reason: Unavailable) -> None:
        """Forget without a tombstone, which a full disk refuses; done all the same if the store takes it."""
        await self.forget_near(owner)
        try:
            await self.tiers["store"].forget(owner)
        except Unavailable as error:
            raise Unavailable(f"{error}; and it cannot be queued: {reason}") from error
        await self.forget_near(owner)  # once more: nothing kept readers from the store's old values meanwhile

    async def forget_near(self, owner: str) -> None:
        """Forget in memory and on disk only, for an invalidation that the store already has."""
        await self.tiers["memory"].forget(owner)
        await self.tiers["disk"].forget(owner)

    async def settle(self) -> None:
        """Try the pending invalidations of the store again, at most once in SETTLE_S."""
        if time.monotonic() - self._settled_s < SETTLE_S:
            return
        self._settled_s = time.monotonic()
        for tombstone in self.tombstones.all():
            try:
                await self.tiers["store"].forget(tombstone.owner)
            except Unavailable:
                return
            self.tombstones.remove(tombstone)

    async def close(self) -> None:
        """Close every tier."""
        for tier in self.tiers.values():
            await tier.close()

    async def _find(self, key: Key, sources: tuple[Source, ...], leases: Leases) -> Lookup:
        """Look in `sources` in order; put a hit into the tiers that missed, those of `leases` included."""
        missed = dict(leases)
        for source in sources:
            got = await self._guarded(self.tiers[source].get, key, default=Got(None, None))
            if got.value is not None:
                await self.keep(key, got.value, missed, *missed)
                return Lookup(got.value, source, missed | {source: got.lease})
            missed[source] = got.lease
        return Lookup(None, None, missed)

    async def _is_pending(self, owner: str) -> bool:
        return self.tombstones.is_pending(owner)

    async def _guarded(self, call: Callable[..., Awaitable[T]], *args: object, default: T) -> T:
        """The result of `call`, or `default` after any exception: unexpected faults of the cache end here."""
        try:
            return await call(*args)
        except Exception:
            logger.exception("a cache tier failed")
            self.counters.add("fault")
            return default
