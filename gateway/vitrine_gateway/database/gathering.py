"""Gathers reads: those that come while one runs, or shortly after one began, are answered by the next one.

A read of its own begins at once; of hundreds of clients that poll, dozens share one. What is returned was
read after it was asked for, or nothing has been written since it was read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
MOST = 500  # keys of one read
PAUSE_S = 0.01  # from the beginning of a read to that of the next one


class Gathered(Generic[Key, Value]):
    """Reads by key; `read` gets many keys and returns what it found by key.

    With `version`, which tells by another number that something was written, or None if it cannot tell, what
    was read is kept until then.
    """

    def __init__(
        self,
        read: Callable[[Collection[Key]], Awaitable[Mapping[Key, Value]]],
        version: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._read, self._version = read, version
        self._kept: dict[Key, Value | None] = {}
        self._kept_of: int | None = None  # the version that was current before they were read
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._begun_s = -PAUSE_S  # when the last read began

    async def get(self, key: Key) -> Value | None:
        """Return what is found of the key, None for nothing; raises what `read` raises."""
        if self._kept_of is not None and self._kept_of == self._version() and key in self._kept:
            return self._kept[key]
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_all())
        return await asyncio.shield(future)

    async def _read_all(self) -> None:
        taken: dict[Key, asyncio.Future[Value | None]] = {}
        try:
            while self._waiting:
                await asyncio.sleep(self._begun_s + PAUSE_S - time.monotonic())
                self._begun_s = time.monotonic()
                keys = list(self._waiting)[:MOST]
                taken = {key: self._waiting.pop(key) for key in keys}
                await self._answer(taken)
        except asyncio.CancelledError:  # the event loop ends: nobody must be left waiting
            for future in (*taken.values(), *self._waiting.values()):
                future.cancel()
            self._waiting.clear()
            raise

    async def _answer(self, taken: Mapping[Key, asyncio.Future[Value | None]]) -> None:
        try:
            version = self._version()
            if version != self._kept_of or len(self._kept) >= MOST:
                self._kept, self._kept_of = {}, version
            found = await self._read(list(taken))
        except Exception as error:
            for future in taken.values():
                future.set_exception(error)
                future.exception()  # whoever asked may have left
            return
        for key, future in taken.items():
            future.set_result(found.get(key))
        if version is not None:
            self._kept |= {key: found.get(key) for key in taken}
