"""The fastest tier: values in this process's memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vitrine_orchestrator.cache.expiry import has_expired
from vitrine_orchestrator.cache.generations import Generations
from vitrine_orchestrator.cache.key import DEFAULT_LIMIT, EVERYTHING, Category, Key
from vitrine_orchestrator.cache.tier import Counters, Got, Lease

PROTECTED_SHARE = 0.8  # segmented LRU 20/80; hot set kept under a scan .998, plain LRU .640


@dataclass(slots=True)
class _Entry:
    value: bytes
    lease: Lease
    created_s: float
    reads: int = 0


class Shelf:
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
        """The entry, its place unchanged."""
        return self.probation.get(key) or self.protected.get(key)

    def use(self, key: Key) -> None:
        """Protect an entry that is there, or make it the last used of the protected."""
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
        """Whether a value of this size may come in at all."""
        return len(value) <= (1 - PROTECTED_SHARE) * self.limit.max_bytes

    def add(self, key: Key, entry: _Entry) -> int:
        """Put a value on probation in place of any older one; the number of values that had to leave."""
        self.drop(key)
        self.probation[key] = entry
        self.bytes += len(entry.value)
        left = 0
        while self._over(self.bytes, len(self), 1.0):
            self.drop(next(iter(self.probation or self.protected)))
            left += 1
        return left

    def drop(self, key: Key) -> None:
        """Take an entry out, if it is there."""
        if (entry := self.probation.pop(key, None)) is None:
            if (entry := self.protected.pop(key, None)) is None:
                return
            self.protected_bytes -= len(entry.value)
        self.bytes -= len(entry.value)

    def __iter__(self) -> Iterator[Key]:
        """Every key, the ones that leave first first."""
        return iter([*self.probation, *self.protected])

    def _over(self, size: int, count: int, share: float) -> bool:
        return size > share * self.limit.max_bytes or count > max(1, int(share * self.limit.max_entries))


class Memory:
    """A tier in memory: one Shelf for each category, expiry decided at read."""

    def __init__(
        self,
        generations: Generations,
        counters: Counters | None = None,
        limits: Mapping[str, Category] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limits` by category; a category without a row gets DEFAULT_LIMIT when it is first used."""
        self.generations, self.clock = generations, clock
        self.counters = counters or Counters()
        self.shelves = {category: Shelf(limit) for category, limit in (limits or {}).items()}
        self._lock = threading.Lock()  # held for microseconds, never across an await

    async def get(self, key: Key) -> Got:
        """See Tier; the value costs no copy."""
        lease = self._lease(key)
        with self._lock:
            shelf = self._shelf(key)
            entry = shelf.peek(key)
            if entry is None or lease is None:
                return Got(None, lease)
            if entry.lease != lease:
                shelf.drop(key)
                return Got(None, lease)
            if has_expired(self.clock() - entry.created_s, entry.reads):
                shelf.drop(key)
                self.counters.add("expired")
                return Got(None, lease)
            entry.reads += 1
            shelf.use(key)
            return Got(entry.value, lease)

    async def put(self, key: Key, value: bytes, lease: Lease) -> bool:
        """See Tier; a value over a fifth of its category's bytes is not kept."""
        with self._lock:
            shelf = self._shelf(key)
            if not shelf.fits(value):
                self.counters.add("oversize")
                return False
            if self._lease(key) != lease:
                self.counters.add("stale_put")
                return False
            self.counters.add("evictions", shelf.add(key, _Entry(value, lease, self.clock())))
            return True

    async def forget(self, owner: str) -> None:
        """See Tier; also frees the bytes."""
        self.generations.void(owner)
        with self._lock:
            for shelf in self.shelves.values():
                for key in shelf:
                    if owner in (EVERYTHING, key.owner):
                        shelf.drop(key)

    def sweep(self) -> None:
        """Drop what an invalidation of another process voided: nobody is answered it, but it takes space."""
        with self._lock:
            for shelf in self.shelves.values():
                for key in shelf:
                    entry, lease = shelf.peek(key), self._lease(key)
                    if entry and lease and entry.lease != lease:
                        shelf.drop(key)

    async def close(self) -> None:
        """Nothing to finish."""

    def _shelf(self, key: Key) -> Shelf:
        if key.category not in self.shelves:
            self.shelves[key.category] = Shelf(DEFAULT_LIMIT)
        return self.shelves[key.category]

    def _lease(self, key: Key) -> Lease | None:
        """Void with the owner, and when another process makes the value anew."""
        owners, values = self.generations.now(key.owner), self.generations.now(key.renewed)
        return None if owners is None or values is None else owners + values

    def sizes(self) -> dict[str, dict[str, int]]:
        """{category: {"entries": count, "bytes": size}} as of now."""
        with self._lock:
            return {name: {"entries": len(one), "bytes": one.bytes} for name, one in self.shelves.items()}
