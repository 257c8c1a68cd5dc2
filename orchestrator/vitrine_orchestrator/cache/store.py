"""The third tier: the object store, shared by all hosts, without expiry."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import numpy as np
from vitrine.errors import Unavailable

from vitrine_orchestrator.cache import layout
from vitrine_orchestrator.cache.breaker import Breaker
from vitrine_orchestrator.cache.invalidation_feed import Feed
from vitrine_orchestrator.cache.key import EVERYTHING, Key
from vitrine_orchestrator.cache.layout import BadEntry, Manifest, Stored
from vitrine_orchestrator.cache.objects import Buffer, Changed, Objects, ObjectsFault, Refused, ranges
from vitrine_orchestrator.cache.tier import CacheCounters, Got, Lease

logger = logging.getLogger(__name__)

GET_LIMIT_S = 10.0  # a get that takes longer, retries included, is a miss
PUT_LIMIT_S = 60.0
FORGET_LIMIT_S = 60.0
DELETE_LIMIT_S = 30.0  # of these, for the objects that an invalidation has voided
MISS_TTL_S = 2.0  # how long a miss is remembered
QUARANTINE_S = 60.0  # a value that was damaged twice is not fetched again for this long
MAX_REMEMBERED = 10_000  # misses, or quarantined values; all are dropped when there are more
DELETE_ROWS = 1000  # keys in one request: S3's limit

NO_LIST_PERMISSION = (
    "the object store answers 403 where an object may not exist, which is read as not there; "
    "with s3:ListBucket on the bucket it would say which"
)
INLINE_BYTES = 2**16  # bytes; smaller data is hashed faster than a thread hand-off takes

T = TypeVar("T")


class Store:
    """A tier of objects in the object store.

    Each entry records the generation that it was computed under (see layout). A get reads the current
    generations together with the entry, so an invalidation by any host holds for every host's next get.
    """

    def __init__(
        self,
        objects: Objects,
        counters: CacheCounters | None = None,
        clock: Callable[[], float] = time.monotonic,
        host: str = "",
    ) -> None:
        """`host`: the name of this host, whose own invalidations the feed skips; see invalidation_feed.py."""
        self.objects, self.clock = objects, clock
        self.counters = counters or CacheCounters()
        self.feed = Feed(objects, host or secrets.token_hex(8), counters=self.counters)
        self.breaker = Breaker(clock)
        self._logged_kinds: set[str] = set()  # kinds of faults that have been logged
        self._hidden = 0
        self._missing: dict[Key, tuple[float, Lease]] = {}
        self._quarantined: dict[Key, float] = {}

    async def get(self, key: Key) -> Got:
        """See Tier. Lease None: the store did not answer, so nothing is to be put."""
        at_s, lease = self._missing.get(key, (-MISS_TTL_S, b""))
        if self.clock() - at_s < MISS_TTL_S:
            return Got(None, lease)
        if not self.breaker.allows():
            return Got(None, None)
        try:
            async with asyncio.timeout(GET_LIMIT_S):
                got = await self._with_fresh_credentials(self._get_twice, key)
        except (ObjectsFault, TimeoutError) as error:
            self._failed(error, GET_LIMIT_S)
            return Got(None, None)
        self.breaker.succeeded()
        self._count_hidden()
        return got

    async def put(self, key: Key, value: bytes, lease: Lease, source: str | None = None) -> bool:
        """See Tier; the generation is read again before the manifest is written, which is last.

        source: the folder of the old layout that the value was imported from.
        """
        if not self.breaker.allows():
            return False
        try:
            async with asyncio.timeout(PUT_LIMIT_S):
                kept = await self._with_fresh_credentials(self._put, key, value, lease, source)
        except (ObjectsFault, TimeoutError) as error:
            self._failed(error, PUT_LIMIT_S)
            return False
        self.breaker.succeeded()
        self._missing.pop(key, None)
        self._quarantined.pop(key, None)
        if not kept:
            self.counters.add("stale_put")
        return kept

    async def forget(self, owner: str) -> None:
        """See Tier; writes a new generation first, then deletes the objects. Holds for every host."""
        for remembered in (self._missing, self._quarantined):
            for key in [key for key in remembered if owner in (EVERYTHING, key.owner)]:
                del remembered[key]
        try:
            async with asyncio.timeout(FORGET_LIMIT_S):
                await self._with_fresh_credentials(self._invalidate, owner)
        except (ObjectsFault, TimeoutError) as error:
            reason = self._failed(error, FORGET_LIMIT_S)
            raise Unavailable(f"the object store did not take an invalidation: {reason}") from error

    async def close(self) -> None:
        """Nothing to finish."""

    async def _with_fresh_credentials(self, call: Callable[..., Awaitable[T]], *args: object) -> T:
        """The result of `call`; if the store refuses the credentials, it is called again with new ones."""
        try:
            return await call(*args)
        except Refused:
            self.objects.renew_credentials()
            return await call(*args)

    async def _invalidate(self, owner: str) -> None:
        await self.objects.put(layout.generation_path(owner), secrets.token_hex(16).encode())
        await self.feed.publish(owner)
        try:
            async with asyncio.timeout(DELETE_LIMIT_S):
                await self._delete_all(layout.owner_folder(owner))
        except (ObjectsFault, TimeoutError) as error:  # the new generation voids the objects: they may stay
            reason = self._count(error, DELETE_LIMIT_S)
            self._log_once("delete", "voided objects cannot be deleted, and stay in the store: %s", reason)

    async def _get_twice(self, key: Key) -> Got:
        """Fetch a value; if it is damaged or changed meanwhile, once more; then quarantine it."""
        for _ in range(2):
            lease, manifest = await self.look_up(key)
            if manifest is None:
                return Got(None, lease)
            try:
                return Got(await self._fetch(key, manifest), lease)
            except (BadEntry, Changed):
                self.counters.add("corrupt")
        self._remember(self._quarantined, key, self.clock())
        return Got(None, lease)

    async def look_up(self, key: Key) -> tuple[Lease, Manifest | None]:
        """(current generation, the manifest if it is of this generation). Raises ObjectsFault."""
        manifest_path = f"{layout.entry_folder(key)}/{layout.MANIFEST}"
        lease, data = await asyncio.gather(self._lease(key.owner), self.objects.get(manifest_path))
        if data is None:
            self._remember(self._missing, key, (self.clock(), lease))
            return lease, None
        if self.clock() - self._quarantined.get(key, -QUARANTINE_S) < QUARANTINE_S:
            return lease, None
        try:
            manifest = layout.read_manifest(data, key)
        except BadEntry as error:
            self.counters.add("corrupt")
            self._log_once("corrupt", "the object store has no entry where one should be: %s", error)
            return lease, None
        return lease, manifest if manifest.generation == lease.decode() else None

    async def _lease(self, owner: str) -> Lease:
        marks = await asyncio.gather(
            *(self.objects.get(layout.generation_path(one)) for one in (EVERYTHING, owner))
        )
        return b"/".join(
            hashlib.sha256(mark).hexdigest()[:32].encode() if mark is not None else b"-" for mark in marks
        )

    async def _fetch(self, key: Key, manifest: Manifest) -> bytes:
        folder, objects = layout.entry_folder(key), manifest.objects
        pictures = {name: one.array for name, one in objects.items() if one.array is not None}
        (rest,) = objects.keys() - pictures.keys()
        value, decoded = await asyncio.gather(
            self._object(f"{folder}/{rest}", objects[rest]),
            asyncio.gather(*(self._picture(f"{folder}/{name}", objects[name]) for name in pictures)),
        )
        if not pictures:
            return value
        return await asyncio.to_thread(layout.join, value, dict(zip(pictures.values(), decoded, strict=True)))

    async def _picture(self, path: str, stored: Stored) -> np.ndarray:
        """A picture, decoded in a thread while other objects arrive."""
        return await asyncio.to_thread(layout.from_png, await self._object(path, stored))

    async def _object(self, path: str, stored: Stored) -> bytes:
        """A whole object; each part is checked while others arrive."""

        async def part(start: int, end: int, digest: str) -> Buffer:
            data = await self.objects.get_range(path, start, end, stored.tag)
            if await _digest(data) != digest:
                raise BadEntry(f"{path} has another digest from byte {start}")
            return data

        spans = zip(ranges(stored.bytes), stored.parts, strict=True)
        return b"".join(await asyncio.gather(*(part(*span, digest) for span, digest in spans)))

    async def _put(self, key: Key, value: bytes, lease: Lease, source: str | None) -> bool:
        folder = layout.entry_folder(key)
        parts = await asyncio.to_thread(layout.split, value)

        async def upload(name: str, array: str | None, data: bytes) -> Stored:
            tag = await self.objects.put(f"{folder}/{name}", data)
            return await asyncio.to_thread(layout.stored, data, tag, array)

        stored = await asyncio.gather(*(upload(name, *part) for name, part in parts.items()))
        if await self._lease(key.owner) != lease:
            return False
        named = dict(zip(parts, stored, strict=True))
        manifest = Manifest(key.category, key.owner, key.name, lease.decode(), named, source)
        await self.objects.put(f"{folder}/{layout.MANIFEST}", manifest.to_json())
        return True

    async def _delete_all(self, folder: str) -> None:
        """Delete a folder except generations (old leases would be valid again without them) and the feed."""
        paths = []
        async for listed in self.objects.list(folder):
            if not listed.path.endswith("/generation") and not listed.path.startswith(f"{layout.FEED}/"):
                paths.append(listed.path)
        for start in range(0, len(paths), DELETE_ROWS):
            await self.objects.delete(paths[start : start + DELETE_ROWS])

    def _remember(self, where: dict, key: Key, what: object) -> None:
        if len(where) >= MAX_REMEMBERED:
            where.clear()
        where[key] = what

    def _failed(self, error: Exception, limit_s: float) -> str:
        self.breaker.failed()
        reason = self._count(error, limit_s)
        self._log_once(type(error).__name__, "the object store is gone without: %s", reason)
        return reason

    def _count(self, error: Exception, limit_s: float) -> str:
        """Count a fault of the store, and return its reason."""
        self.counters.add("denied" if isinstance(error, Refused) else "l3_unavailable")
        return str(error) or f"no answer within {limit_s:g} s"

    def _count_hidden(self) -> None:
        """Count the 403 answers that were treated as missing objects; log which permission is missing."""
        hidden = getattr(self.objects, "hidden", 0)
        if hidden > self._hidden:
            self.counters.add("denied", hidden - self._hidden)
            self._hidden = hidden
            self._log_once("hidden", "%s", NO_LIST_PERMISSION)

    def _log_once(self, kind: str, message: str, what: object) -> None:
        """Log a kind of fault once in the life of the process; its counter has the number."""
        if kind not in self._logged_kinds:
            self._logged_kinds.add(kind)
            logger.warning(message, what)


async def _digest(data: Buffer) -> str:
    if len(data) > INLINE_BYTES:
        return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
    return hashlib.sha256(data).hexdigest()
