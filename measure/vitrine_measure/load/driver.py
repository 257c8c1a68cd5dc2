"""Sends requests at given times, or with a fixed concurrency, and records their outcomes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
from vitrine.errors import VitrineError

DONE = "done"

Send = Callable[[int], Awaitable[object]]
"""Sends request number 0, 1, …; a VitrineError is an outcome, any other exception ends the load."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one request; times in seconds since the start of the load."""

    due_s: float  # scheduled time
    ended_s: float
    word: str  # DONE, or the error's word

    @property
    def seconds(self) -> float:
        """Seconds from the scheduled time to the end, so that a late driver does not help the server."""
        return self.ended_s - self.due_s


async def offer(due: Sequence[float], send: Send, tick: Callable[[], object] = lambda: None) -> list[Outcome]:
    """Send request i at `due[i]` seconds from now, independent of the others; call `tick` at each response.

    Returns the outcomes in the order of `due` after the last response.
    """
    start = time.perf_counter()

    async def one(index: int, at: float) -> Outcome:
        await asyncio.sleep(max(0.0, at - (time.perf_counter() - start)))
        return await _outcome(index, at, start, send, tick)

    return list(await asyncio.gather(*(one(index, at) for index, at in enumerate(due))))


async def closed(
    count: int, at_once: int, send: Send, tick: Callable[[], object] = lambda: None
) -> list[Outcome]:
    """Send `count` requests with `at_once` in flight; each response starts the next request."""
    start, numbers = time.perf_counter(), iter(range(count))

    async def worker() -> list[Outcome]:
        return [await _outcome(index, time.perf_counter() - start, start, send, tick) for index in numbers]

    return [one for part in await asyncio.gather(*(worker() for _ in range(at_once))) for one in part]


async def _outcome(index: int, at: float, start: float, send: Send, tick: Callable[[], object]) -> Outcome:
    word = DONE
    try:
        await send(index)
    except VitrineError as error:
        word = error.word
    tick()
    return Outcome(at, time.perf_counter() - start, word)


def words(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Count the outcomes by word."""
    found = [one.word for one in outcomes]
    return {word: found.count(word) for word in sorted(set(found))}


def seconds_of(outcomes: Sequence[Outcome], word: str = DONE) -> np.ndarray:
    """Return the latencies of the requests with this outcome, in seconds."""
    return np.array([one.seconds for one in outcomes if one.word == word])


def rate_of(outcomes: Sequence[Outcome]) -> float:
    """Return the throughput in requests per second, from the first scheduled time to the last response."""
    done = [one for one in outcomes if one.word == DONE]
    if not done:
        return 0.0
    return len(done) / (max(one.ended_s for one in done) - min(one.due_s for one in done))


def full_rate(outcomes: Sequence[Outcome], at_once: int) -> float:
    """Return requests per second of `closed` while `at_once` were in flight; NaN if that was too short.

    The beginning, before the first response, and the end, with fewer requests in flight, do not count.
    """
    ends = sorted(one.ended_s for one in outcomes if one.word == DONE)
    last_sent = max(one.due_s for one in outcomes)
    counted = [at for at in ends[at_once:] if at <= last_sent]
    return len(counted) / (counted[-1] - ends[at_once - 1]) if counted else float("nan")
