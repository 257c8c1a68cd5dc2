"""Stdin as lines whose reading can be given up: the SDK's own waits in a thread until the client writes."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from anyio import AsyncFile

CHUNK_BYTES = 2**16
MAX_LINE_BYTES = 2**30


class _Lines:
    """An asynchronous iterator over the lines of a descriptor, read by a thread that nobody waits for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._loop = descriptor, asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        threading.Thread(target=self._read, daemon=True, name="stdin").start()

    def __aiter__(self) -> _Lines:
        return self

    async def __anext__(self) -> str:
        if line := await self._reader.readline():
            return line.decode("utf-8", "replace")
        raise StopAsyncIteration

    def _read(self) -> None:
        with suppress(RuntimeError):  # the event loop has ended
            with suppress(OSError):  # a terminal that was closed
                while chunk := os.read(self._descriptor, CHUNK_BYTES):
                    self._loop.call_soon_threadsafe(self._reader.feed_data, chunk)
            self._loop.call_soon_threadsafe(self._reader.feed_eof)


def open_stdin() -> AsyncFile[str]:
    """Return the lines of stdin, as far as the SDK uses a file; other readers of stdin find it empty."""
    descriptor = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return cast("AsyncFile[str]", _Lines(descriptor))
