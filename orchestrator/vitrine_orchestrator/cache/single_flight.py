"""Runs work once for all callers that ask for the same name concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

WAIT_S = 30.0  # a follower stops waiting for another caller's work after this long


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class SingleFlight(Generic[T]):
    """Flights by name. The work runs in its own task, so cancelling one caller does not fail the others.

    An error is raised in all waiting callers and is not kept. The work is cancelled when no caller waits any
    more. Followers of work that hangs give it up after `wait_s`, and all of them share one new flight.
    """

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self.wait_s = wait_s
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def run(self, name: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The result of `make`, or of the running flight of this name; all callers get the same object."""
        while True:
            flight = self._flights.get(name)
            limit_s = self.wait_s if flight else None  # the caller that starts the work waits without a limit
            flight = flight or self._start(name, make)
            try:
                async with asyncio.timeout(limit_s) as limit:
                    return await self._joined(flight)
            except TimeoutError:
                if not limit.expired():
                    raise  # raised by the work itself, not by this limit
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
                flight.task.cancel()  # has no effect if the work is done

    def _ended(self, name: Hashable, flight: _Flight[T]) -> None:
        self._forget(name, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # marks the error as retrieved; the waiting callers have it

    def _forget(self, name: Hashable, flight: _Flight[T]) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]
