"""Gathers reads: those that come while one runs are answered together by the next one.

A call of its own costs a read what it did before; of hundreds of clients that poll, dozens share one. What is
returned was read after it was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
MOST = 500  # keys of one read


class Gathered(Generic[Key, Value]):
    """Reads by key; `read` gets many keys and returns what it found by key."""

    def __init__(self, read: Callable[[Collection[Key]], Awaitable[Mapping[Key, Value]]]) -> None:
        self._read = read
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Value | None:
        """Return what is found of the key, None for nothing; raises what `read` raises."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_all())
        return await asyncio.shield(future)

    async def _read_all(self) -> None:
        while self._waiting:
            keys = list(self._waiting)[:MOST]
            taken = {key: self._waiting.pop(key) for key in keys}
            try:
                found = await self._read(keys)
            except Exception as error:
                for future in taken.values():
                    future.set_exception(error)
                    future.exception()  # whoever asked may have left
                continue
            for key, future in taken.items():
                future.set_result(found.get(key))
