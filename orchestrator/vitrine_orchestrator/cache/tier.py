"""The protocol of a tier. Memory, files and the object store are tiers."""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

from vitrine_orchestrator.cache.key import Key

Lease = bytes  # only compared for equality


class Got(NamedTuple):
    """The answer to a get: the value or None, and the lease that a put after this miss must pass.

    A lease says which invalidations had happened when the get began. None: this tier accepts no put now.
    """

    value: bytes | None
    lease: Lease | None


class Tier(Protocol):
    """Keeps values by key. A miss is None; so is every fault, which is counted and never raised.

    Leases are those of "Scaling Memcache at Facebook" (NSDI 2013, section 3.2.1): an invalidation between
    a get and the put that follows it voids the lease, so work begun before cannot store a stale value.
    """

    async def get(self, key: Key) -> Got:
        """The value that was put under exactly `key` and not invalidated before this call, or a miss."""
        ...

    async def put(self, key: Key, value: bytes, lease: Lease) -> bool:
        """Keep `value`; False if it was not kept (void lease, too large, disk full, ...)."""
        ...

    async def forget(self, owner: str) -> None:
        """After this returns, no process that shares this tier gets an old value of `owner`.

        The owner `key.EVERYTHING` forgets all. Raises `vitrine.errors.Unavailable` if that may not hold.
        """
        ...

    async def close(self) -> None:
        """Finish writes that have begun, within a time limit."""
        ...


class Off:
    """No cache: every get is a miss and nothing is kept."""

    async def get(self, key: Key) -> Got:
        """A miss."""
        return Got(None, None)

    async def put(self, key: Key, value: bytes, lease: Lease) -> bool:
        """False: nothing is kept."""
        return False

    async def forget(self, owner: str) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""


# Every counter and the event that it counts; docs/cache.md lists the same.
COUNTERS = {
    "total_requests": "a value was requested",
    "l1_hits": "memory had it",
    "l2_hits": "a file had it",
    "l3_hits": "the object store had it",
    "misses": "no tier had it: it was computed, or the computation failed",
    "evictions": "a value left memory or disk to make room",
    "expired": "a value was found too old",
    "oversize": "a value was too large to be kept in memory",
    "corrupt": "a file or an object did not match its checksum or format",
    "full": "no space was left on the disk",
    "denied": "the disk or the store refused access; 403 for what may not exist counts too",
    "eio": "another input or output fault of the disk",
    "l3_unavailable": "the object store did not answer in time, or with an error",
    "stale_put": "a value was not kept because its owner was invalidated during its computation",
    "lock_timeout": "another process held the lock of a value for too long",
    "not_kept": "a value was not kept because it holds NaN, infinity or no numbers at all",
    "fault": "an unexpected error inside the cache",
}


class CacheCounters:
    """Counts of events since the start; a name that is not in COUNTERS raises KeyError."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(COUNTERS, 0)
        self._lock = threading.Lock()  # disk threads count too

    def add(self, name: str, by: int = 1) -> None:
        """Add `by` to the count of `name`."""
        with self._lock:
            self._counts[name] += by

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """All counts, taken at one moment."""
        with self._lock:
            return dict(self._counts)
