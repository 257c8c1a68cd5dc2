"""The requests that wait in a model's process for one of its places, instead of in Triton's queue.

Triton hands a request to a model with a limited queue only while the model waits for one. A model that is
full lets Triton wait, and Triton looks again half a second later, or when another request comes: ten requests
at a model with four places then take far longer than their work. See docs/decisions.md, "Serving".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from vitrine.errors import Busy

from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages.table import Stage


class Waiting:
    """Requests wait in the order of their arrival. Used in one event loop."""

    def __init__(self, model: str, places: int, size: int, timeout_s: float) -> None:
        """`places` requests are served at the same time, `size` more may wait, each for `timeout_s`."""
        self._model, self._size, self._timeout_s = model, size, timeout_s
        self._free = asyncio.Semaphore(places)
        self._count = 0

    @asynccontextmanager
    async def place(self, timeout_s: float) -> AsyncIterator[None]:
        """Have a place inside the block. `timeout_s` is the request's own limit on waiting for it; 0: none.

        Raises Busy where too many wait already, and when the request has waited too long.
        """
        if self._free.locked() and self._count >= self._size:
            raise Busy(f"{self._count} requests wait for {self._model}, the limit is {self._size}")
        limit_s = timeout_s or self._timeout_s
        self._count += 1
        try:
            async with asyncio.timeout(limit_s):
                await self._free.acquire()
        except TimeoutError:
            raise Busy(f"the request waited for {self._model} for {limit_s:g} s") from None
        finally:
            self._count -= 1
        try:
            yield
        finally:
            self._free.release()


def waiting_of(row: Stage, places: int) -> Waiting | None:
    """The waiting requests of a model whose row says that it holds them; None where Triton does."""
    if not row.waits_in_process:
        return None
    return Waiting(row.name, places, row.queue.size, row.queue.timeout_us / 1e6)


def places_of(config: Mapping[str, Any], settings: Settings) -> int:
    """The places of a model by its config, as `initialize` is given it, and by the settings."""
    return settings.in_flight(int(config["parameters"]["in_flight"]["string_value"]))
