"""The cache as pipelines use it: arrays by key, computed once for concurrent callers, kept in the tiers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, NamedTuple, Protocol

from vitrine_orchestrator.cache.codec import BadArrays, Schema, check, check_finite, decode, encode
from vitrine_orchestrator.cache.generations import Generations
from vitrine_orchestrator.cache.invalidation_feed import FeedFollower
from vitrine_orchestrator.cache.key import IMPORTED, Key
from vitrine_orchestrator.cache.single_flight import SingleFlight
from vitrine_orchestrator.cache.tiered import Leases, Lookup, Tiered
from vitrine_orchestrator.wire.arrays import Arrays

logger = logging.getLogger(__name__)

Compute = Callable[[], Awaitable[Arrays]]
Source = Literal["fresh", "memory", "disk", "store"]
"""Where arrays came from: computed for this request, or a tier of the cache."""

DRAIN_S = 10.0  # close() cancels uploads that take longer
MAX_UPLOADS = 64  # pending uploads; with more, values reach memory and disk only

_COUNTER_OF: dict[Source, str] = {
    "memory": "l1_hits",
    "disk": "l2_hits",
    "store": "l3_hits",
    "fresh": "misses",
}


class Locks(Protocol):
    """Lets one process at a time compute a value; see disk/process_lock.py."""

    def hold(self, key: Key) -> AbstractAsyncContextManager[bool]:
        """Hold the lock of `key`; yields whether another process held it before."""
        ...


class MemoResult(NamedTuple):
    """Read-only arrays and their source."""

    arrays: Arrays
    source: Source


class TieredMemo:
    """Keeps arrays. A fault of the cache never fails a caller, nor delays it past the tiers' limits."""

    def __init__(
        self,
        tiers: Tiered,
        generations: Generations,
        locks: Locks,
        schemas: Mapping[str, Schema] | None = None,
        follower: FeedFollower | None = None,
    ) -> None:
        """`schemas`: the arrays required of each category; a category without a schema is not checked.

        follower: applies the invalidations of other hosts.
        """
        self.tiers, self.generations, self.locks = tiers, generations, locks
        self.counters, self.schemas, self.follower = tiers.counters, schemas or {}, follower
        self.after_result: Callable[[], None] = _nothing  # called after each result
        self._flights: SingleFlight[MemoResult] = SingleFlight()
        self._tasks: set[asyncio.Task[None]] = set()

    async def get_or_compute(self, key: Key, compute: Compute, able: bool = True) -> tuple[Arrays, Source]:
        """The arrays of `key`, from the fastest tier that has them or from `compute`; its errors are raised.

        Concurrent callers share one search and one `compute`. A caller that comes after an invalidation has
        returned never shares work that began before it. able: False for a caller that sent only an id, so
        that `compute` cannot succeed; callers with the input never share its failure.
        """
        self.counters.add("total_requests")
        try:
            answer = await self._shared(key, compute, able)
        except BaseException:
            self.counters.add("misses")
            raise
        self.counters.add(_COUNTER_OF[answer.source])
        self.after_result()
        return answer.arrays, answer.source

    async def note(self, key: Key, arrays: Arrays) -> Arrays:
        """The arrays of `key`; where no tier has them, `arrays` are kept. Not counted as a request."""

        async def given() -> Arrays:
            return arrays

        return (await self._shared(key, given)).arrays

    async def peek(self, key: Key) -> Arrays | None:
        """The arrays of `key` if any tier has them, else None. Not counted as a request."""
        near = await self.tiers.near(key)
        if answer := await self._answer(key, near):
            return answer.arrays
        answer = await self._answer(key, await self.tiers.far(key, near.leases))
        return answer.arrays if answer else None

    async def forget(self, owner: str) -> None:
        """See Tiered.forget; an invalidation that is queued for the store is logged, not raised."""
        if queued := await self.tiers.forget(owner):
            logger.warning("%s", queued)

    async def close(self) -> None:
        """Wait at most DRAIN_S for pending writes; then close the tiers."""
        if self.follower:
            await self.follower.close()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.tiers.close()

    async def _shared(self, key: Key, compute: Compute, able: bool = True) -> MemoResult:
        """`_search`, once for all concurrent callers of the same generation."""
        if self.follower:
            await self.follower.started()
        generation = self.generations.now(key.owner) or object()  # unknown generation: the work is not shared
        return await self._flights.run((key, generation, able), lambda: self._search(key, compute))

    async def _search(self, key: Key, compute: Compute) -> MemoResult:
        near = await self.tiers.near(key)
        if answer := await self._answer(key, near):
            return answer
        async with self.locks.hold(key) as waited:
            if waited:  # the process that held the lock may have computed it
                near = await self.tiers.near(key)
                if answer := await self._answer(key, near):
                    return answer
            self._in_background(self.tiers.settle())
            far = await self.tiers.far(key, near.leases)
            if answer := await self._answer(key, far):
                return answer
            leases = far.leases | await self._renewed(key) if key.may_change else far.leases
            arrays = await compute()
            await self._keep(key, arrays, leases)
            return MemoResult(_read_only(arrays), "fresh")

    async def _renewed(self, key: Key) -> Leases:
        """Void the key's old value in the memory of every process; the near tiers' leases after that."""
        try:
            self.generations.renew(key.renewal_name)
        except OSError:
            logger.exception(
                "a value of %s is computed again, and some processes still keep the old one", key.category
            )
            self.counters.add("fault")
        return (await self.tiers.near(key)).leases

    async def _answer(self, key: Key, found: Lookup) -> MemoResult | None:
        """The decoded lookup; None for a miss or for a value that does not fit its category's schema."""
        if found.value is None or found.source is None:
            return None
        try:
            arrays = decode(found.value)
            if schema := self.schemas.get(_schema_name(key)):
                check(arrays, schema)
            if found.source == "store":  # memory and disk hold only values that were checked before
                await asyncio.to_thread(check_finite, arrays)
        except BadArrays as error:
            logger.warning("%s: a value of %s was refused: %s", found.source, key.category, error)
            self.counters.add("corrupt")
            return None
        return MemoResult(arrays, found.source)

    async def _keep(self, key: Key, arrays: Arrays, leases: Leases) -> None:
        """Put the arrays into memory and onto disk now, and into the store in the background."""
        try:
            await asyncio.to_thread(check_finite, arrays)
            value = await asyncio.to_thread(encode, arrays)
        except BadArrays as error:
            logger.warning("a value of %s was not kept: %s", key.category, error)
            self.counters.add("not_kept")
            return
        await self.tiers.keep(key, value, leases, "memory", "disk")
        if len(self._tasks) < MAX_UPLOADS:
            self._in_background(self.tiers.keep(key, value, leases, "store"))

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a background task of the cache failed", exc_info=error)
            self.counters.add("fault")


def _schema_name(key: Key) -> str:
    return f"imported {key.category}" if key.name == IMPORTED else key.category


def _read_only(arrays: Arrays) -> Arrays:
    """Read-only views of the arrays."""
    views = {name: array.view() for name, array in arrays.items()}
    for view in views.values():
        view.setflags(write=False)
    return views


def _nothing() -> None:
    """The default of `after_result`."""
