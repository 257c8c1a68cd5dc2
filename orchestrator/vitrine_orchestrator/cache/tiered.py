"""Memory over disk over the object store: where a value is looked for, and who gets to keep it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, TypeVar

from vitrine.errors import Unavailable

from vitrine_orchestrator.cache.key import Key
from vitrine_orchestrator.cache.tier import Counters, Got, Lease, Tier
from vitrine_orchestrator.cache.tombstones import Tombstones

logger = logging.getLogger(__name__)

SETTLE_S = 10.0  # between two tries to carry out what the store has not taken

T = TypeVar("T")
Source = Literal["memory", "disk", "store"]
Leases = dict[Source, Lease | None]  # by source: what each tier said at its miss


class Found(NamedTuple):
    """A value and where it was, or None twice; and the leases of the tiers that were asked."""

    value: bytes | None
    source: Source | None
    leases: Leases


class Tiered:
    """Three tiers, each of which may be Off. A hit is given to the faster ones.

    No fault of a tier passes through, not even one that a tier failed to catch: it is counted, logged, and a
    miss. Only `forget` tells, since a promise that is not kept must be known.
    """

    def __init__(
        self, memory: Tier, disk: Tier, store: Tier, tombstones: Tombstones, counters: Counters | None = None
    ) -> None:
        self.tiers: dict[Source, Tier] = {"memory": memory, "disk": disk, "store": store}
        self.tombstones, self.counters = tombstones, counters or Counters()
        self._settled_s = -SETTLE_S

    async def near(self, key: Key) -> Found:
        """Look in memory and on disk."""
        return await self._find(key, ("memory", "disk"), {})

    async def far(self, key: Key, leases: Leases) -> Found:
        """Look in the object store, after `near` gave `leases`; not while an invalidation waits for it."""
        if await self._guarded(self._stands, key.owner, default=True):
            return Found(None, None, leases)
        return await self._find(key, ("store",), leases)

    async def keep(self, key: Key, value: bytes, leases: Leases, *where: Source) -> None:
        """Put a value into the tiers named, under the leases of their misses."""
        for source in where:
            lease = leases.get(source)
            if lease is not None:
                await self._guarded(self.tiers[source].put, key, value, lease, default=False)

    async def forget(self, owner: str) -> str | None:
        """No get that begins after this has returned answers what `owner` (or EVERYTHING) had.

        That holds for every process that shares the disk folder, and for what any host takes from the store.
        Unavailable if memory or disk could not promise it. Why the store did not take it, if only that is
        lacking: it is queued, and until it is carried out this host takes nothing of the owner from there.
        """
        tombstone = self.tombstones.add(owner)  # first of all: whatever happens next, it will be carried out
        await self.forget_near(owner)
        try:
            await self.tiers["store"].forget(owner)
        except Unavailable as error:
            return f"{error}; it is queued, and nothing stale is served here"
        self.tombstones.remove(tombstone)
        return None

    async def forget_near(self, owner: str) -> None:
        """Forget in memory and on disk only: the store knows already."""
        await self.tiers["memory"].forget(owner)
        await self.tiers["disk"].forget(owner)

    async def settle(self) -> None:
        """Carry out the invalidations that wait for the store, unless that was tried a moment ago."""
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

    async def _find(self, key: Key, sources: tuple[Source, ...], leases: Leases) -> Found:
        """The first tier's hit is given to those asked before it, here or for `leases`."""
        asked = dict(leases)
        for source in sources:
            got = await self._guarded(self.tiers[source].get, key, default=Got(None, None))
            if got.value is not None:
                await self.keep(key, got.value, asked, *asked)
                return Found(got.value, source, asked | {source: got.lease})
            asked[source] = got.lease
        return Found(None, None, asked)

    async def _stands(self, owner: str) -> bool:
        return self.tombstones.stands(owner)

    async def _guarded(self, call: Callable[..., Awaitable[T]], *args: object, default: T) -> T:
        """What `call` answers, or `default`: the one place where an unforeseen fault of the cache ends."""
        try:
            return await call(*args)
        except Exception:
            logger.exception("a cache tier failed")
            self.counters.add("fault")
            return default
