"""What the pipelines use: arrays by key, made once for all who ask, kept in the tiers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, NamedTuple, Protocol

import numpy as np

from vitrine_orchestrator.cache.codec import BadArrays, Schema, check, check_finite, decode, encode
from vitrine_orchestrator.cache.generations import Generations
from vitrine_orchestrator.cache.invalidation_feed import Watch
from vitrine_orchestrator.cache.key import IMPORTED, Key
from vitrine_orchestrator.cache.single_flight import SingleFlight
from vitrine_orchestrator.cache.tiered import Found, Leases, Tiered

logger = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]
Compute = Callable[[], Awaitable[Arrays]]
Source = Literal["fresh", "memory", "disk", "store"]

DRAIN_S = 10.0  # so long close() waits for what is being written
MAX_UPLOADS = 64  # waiting at once; beyond, values reach memory and disk only

_COUNTER_OF: dict[Source, str] = {
    "memory": "l1_hits",
    "disk": "l2_hits",
    "store": "l3_hits",
    "fresh": "misses",
}


class Locks(Protocol):
    """Lets one process at a time work on a value; see process_lock."""

    def hold(self, key: Key) -> AbstractAsyncContextManager[bool]:
        """Hold the lock of `key`; gives whether another process had it before."""
        ...


class Answer(NamedTuple):
    """Arrays that nobody can write to, and where they came from."""

    arrays: Arrays
    source: Source


class Memo:
    """Keeps arrays. No fault of the cache fails a caller, or delays one beyond the tiers' own bounds."""

    def __init__(
        self,
        tiers: Tiered,
        generations: Generations,
        locks: Locks,
        schemas: Mapping[str, Schema] | None = None,
        watch: Watch | None = None,
    ) -> None:
        """`schemas`: what the arrays of a category must be, where that is to be checked.

        watch: follows the invalidations of other hosts.
        """
        self.tiers, self.generations, self.locks = tiers, generations, locks
        self.counters, self.schemas, self.watch = tiers.counters, schemas or {}, watch
        self.after: Callable[[], None] = _nothing  # called after each answer
        self._flights: SingleFlight[Answer] = SingleFlight()
        self._tasks: set[asyncio.Task[None]] = set()

    async def get_or_compute(self, key: Key, compute: Compute, able: bool = True) -> tuple[Arrays, Source]:
        """The arrays of `key`, from the fastest tier that has them or from `compute`, whose errors pass.

        Callers who ask at the same time share one search and one `compute`. One who asks after an
        invalidation has returned never shares work that began before it. able: whether `compute` can make
        the arrays; who can never shares the failure of one who cannot.
        """
        if self.watch:
            await self.watch.begun()
        self.counters.add("total_requests")
        generation = self.generations.now(key.owner) or object()  # unknown: shared with nobody
        try:
            answer = await self._flights.run((key, generation, able), lambda: self._search(key, compute))
        except BaseException:
            self.counters.add("misses")
            raise
        self.counters.add(_COUNTER_OF[answer.source])
        self.after()
        return answer.arrays, answer.source

    async def peek(self, key: Key) -> Arrays | None:
        """The arrays that some tier has now, None where none has. No request, so not counted as one."""
        near = await self.tiers.near(key)
        if answer := await self._answer(key, near):
            return answer.arrays
        answer = await self._answer(key, await self.tiers.far(key, near.leases))
        return answer.arrays if answer else None

    async def forget(self, owner: str) -> None:
        """See Tiered.forget; but what is only queued for the store fails no caller."""
        if queued := await self.tiers.forget(owner):
            logger.warning("%s", queued)

    async def close(self) -> None:
        """Finish what is being written, for at most DRAIN_S; then close the tiers."""
        if self.watch:
            await self.watch.close()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.tiers.close()

    async def _search(self, key: Key, compute: Compute) -> Answer:
        near = await self.tiers.near(key)
        if answer := await self._answer(key, near):
            return answer
        async with self.locks.hold(key) as waited:
            if waited:  # the process that had the lock may have made it
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
            return Answer(_read_only(arrays), "fresh")

    async def _renewed(self, key: Key) -> Leases:
        """The near tiers' leases once no process's memory answers any more what the key had before."""
        try:
            self.generations.renew(key.renewed)
        except OSError:
            logger.exception("a value of %s is made anew, and not every process knows", key.category)
            self.counters.add("fault")
        return (await self.tiers.near(key)).leases

    async def _answer(self, key: Key, found: Found) -> Answer | None:
        """What was found, unless it is not what a value of this category must be."""
        if found.value is None or found.source is None:
            return None
        try:
            arrays = decode(found.value)
            if schema := self.schemas.get(_schema_name(key)):
                check(arrays, schema)
            if found.source == "store":  # memory and disk have what this host checked before
                await asyncio.to_thread(check_finite, arrays)
        except BadArrays as error:
            logger.warning("%s: a value of %s was refused: %s", found.source, key.category, error)
            self.counters.add("corrupt")
            return None
        return Answer(arrays, found.source)

    async def _keep(self, key: Key, arrays: Arrays, leases: Leases) -> None:
        """Into memory and onto disk at once, to the store in the background."""
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
            logger.error("work of the cache failed", exc_info=error)
            self.counters.add("fault")


def _schema_name(key: Key) -> str:
    return f"imported {key.category}" if key.name == IMPORTED else key.category


def _read_only(arrays: Arrays) -> Arrays:
    """Views of the arrays that cannot be written to."""
    views = {name: array.view() for name, array in arrays.items()}
    for view in views.values():
        view.setflags(write=False)
    return views


def _nothing() -> None:
    """Called after an answer when nobody wants to know."""
