"""Makes a value once for all who ask for it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

WAIT_S = 30.0  # followers wait so long for another's work, as in the service taken over


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class SingleFlight(Generic[T]):
    """Flights by name. The work runs in a task of its own, so a leader that is cancelled fails nobody else.

    Its error goes to all who wait and is not kept. When nobody waits any more, it is cancelled. Followers of
    work that hangs give it up after `wait_s`, and all of them share one new flight.
    """

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self.wait_s = wait_s
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def run(self, name: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` gives, or the flight of this name that is under way; all get the same object."""
        while True:
            flight = self._flights.get(name)
            limit_s = self.wait_s if flight else None  # who leads waits for its own work
            flight = flight or self._start(name, make)
            try:
                async with asyncio.timeout(limit_s) as limit:
                    return await self._joined(flight)
            except TimeoutError:
                if not limit.expired():
                    raise  # of the work itself
                self._forget(name, flight)

    def _start(self, name: Hashable, make: Callable[[], Awaitable[T]]) -> _Flight[T]:
        async def work() -> T:
            return await make()

        flight = _Flight(asyncio.create_task(work()))
        self._flights[name] = flight
        flight.task.add_done_callback(lambda task: self._ended(name, flight))
        return flight

    async def _joined(self, flight: _Flight[T]) -> T:
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()  # does nothing when it is done

    def _ended(self, name: Hashable, flight: _Flight[T]) -> None:
        self._forget(name, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # was told to whoever waited

    def _forget(self, name: Hashable, flight: _Flight[T]) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]
