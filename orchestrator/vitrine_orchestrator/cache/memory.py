"""The fastest tier: values in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vitrine_orchestrator.cache.expiry import has_expired
from vitrine_orchestrator.cache.generations import Generations
from vitrine_orchestrator.cache.key import DEFAULT_LIMIT, EVERYTHING, Category, Key
from vitrine_orchestrator.cache.tier import CacheCounters, Got, Lease

PROTECTED_SHARE = 0.8  # share of a category's limits; a hot set's hit rate in a scan is 0.998 (LRU: 0.640)


@dataclass(slots=True)
class _Entry:
    value: bytes
    lease: Lease
    created_s: float
    reads: int = 0


class SegmentedLru:
    """Segmented LRU of one category, by bytes and by count.

    A new value goes on probation; a second use protects it. Room is made from probation first, so values
    that are used once cannot push out those that are used again. The protected segment takes at most
    80 % of the limits and one value at most 20 % of the bytes: newcomers never cost a protected value.
    """

    def __init__(self, limit: Category) -> None:
        self.limit = limit
        self.probation: OrderedDict[Key, _Entry] = OrderedDict()  # oldest use first
        self.protected: OrderedDict[Key, _Entry] = OrderedDict()
        self.bytes = self.protected_bytes = 0

    def __len__(self) -> int:
        return len(self.probation) + len(self.protected)

    def peek(self, key: Key) -> _Entry | None:
        """The entry of `key` or None; its position does not change."""
        return self.probation.get(key) or self.protected.get(key)

    def use(self, key: Key) -> None:
        """Move an existing entry to the protected segment, as its most recently used entry."""
        if key in self.protected:
            self.protected.move_to_end(key)
            return
        entry = self.protected[key] = self.probation.pop(key)
        self.protected_bytes += len(entry.value)
        while self._over(self.protected_bytes, len(self.protected), PROTECTED_SHARE):
            demoted, entry = self.protected.popitem(last=False)
            self.protected_bytes -= len(entry.value)
            self.probation[demoted] = entry

    def fits(self, value: bytes) -> bool:
        """Whether the value is small enough to be kept."""
        return len(value) <= (1 - PROTECTED_SHARE) * self.limit.max_bytes

    def add(self, key: Key, entry: _Entry) -> int:
        """Put a value on probation, replacing any older one; returns the number of evicted values."""
        self.drop(key)
        self.probation[key] = entry
        self.bytes += len(entry.value)
        evicted = 0
        while self._over(self.bytes, len(self), 1.0):
            self.drop(next(iter(self.probation or self.protected)))
            evicted += 1
        return evicted

    def drop(self, key: Key) -> None:
        """Remove the entry of `key`, if there is one."""
        if (entry := self.probation.pop(key, None)) is None:
            if (entry := self.protected.pop(key, None)) is None:
                return
            self.protected_bytes -= len(entry.value)
        self.bytes -= len(entry.value)

    def __iter__(self) -> Iterator[Key]:
        """Every key, in order of eviction."""
        return iter([*self.probation, *self.protected])

    def _over(self, size: int, count: int, share: float) -> bool:
        return size > share * self.limit.max_bytes or count > max(1, int(share * self.limit.max_entries))


class Memory:
    """A tier in memory: one SegmentedLru for each category, expiry decided at read."""

    def __init__(
        self,
        generations: Generations,
        counters: CacheCounters | None = None,
        limits: Mapping[str, Category] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limits` by category; a category without a row gets DEFAULT_LIMIT when it is first used."""
        self.generations, self.clock = generations, clock
        self.counters = counters or CacheCounters()
        self.lrus = {category: SegmentedLru(limit) for category, limit in (limits or {}).items()}
        self._lock = threading.Lock()  # held for microseconds, never across an await

    async def get(self, key: Key) -> Got:
        """See Tier; the value is not copied."""
        lease = self._lease(key)
        with self._lock:
            lru = self._lru(key)
            entry = lru.peek(key)
            if entry is None or lease is None:
                return Got(None, lease)
            if entry.lease != lease:
                lru.drop(key)
                return Got(None, lease)
            if key.expires and has_expired(self.clock() - entry.created_s, entry.reads):
                lru.drop(key)
                self.counters.add("expired")
                return Got(None, lease)
            entry.reads += 1
            lru.use(key)
            return Got(entry.value, lease)

    async def put(self, key: Key, value: bytes, lease: Lease) -> bool:
        """See Tier; a value larger than a fifth of its category's bytes is not kept."""
        with self._lock:
            lru = self._lru(key)
            if not lru.fits(value):
                self.counters.add("oversize")
                return False
            if self._lease(key) != lease:
                self.counters.add("stale_put")
                return False
            self.counters.add("evictions", lru.add(key, _Entry(value, lease, self.clock())))
            return True

    async def forget(self, owner: str) -> None:
        """See Tier; also frees the bytes."""
        self.generations.void(owner)
        with self._lock:
            for lru in self.lrus.values():
                for key in lru:
                    if owner in (EVERYTHING, key.owner):
                        lru.drop(key)

    def sweep(self) -> None:
        """Free the values that another process invalidated; they are never returned, but they take space."""
        with self._lock:
            for lru in self.lrus.values():
                for key in lru:
                    entry, lease = lru.peek(key), self._lease(key)
                    if entry and lease and entry.lease != lease:
                        lru.drop(key)

    async def close(self) -> None:
        """Does nothing."""

    def _lru(self, key: Key) -> SegmentedLru:
        if key.category not in self.lrus:
            self.lrus[key.category] = SegmentedLru(DEFAULT_LIMIT)
        return self.lrus[key.category]

    def _lease(self, key: Key) -> Lease | None:
        """The lease, which an invalidation of the owner voids, and a recomputation in another process too."""
        owners, values = self.generations.now(key.owner), self.generations.now(key.renewal_name)
        return None if owners is None or values is None else owners + values

    def sizes(self) -> dict[str, dict[str, int]]:
        """{category: {"entries": count, "bytes": size}} as of now."""
        with self._lock:
            return {name: {"entries": len(one), "bytes": one.bytes} for name, one in self.lrus.items()}
