"""Sends requests at given times, or so many at a time, and keeps what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
from vitrine.errors import VitrineError

DONE = "done"

Send = Callable[[int], Awaitable[object]]
"""Sends request number 0, 1, …; a VitrineError is an outcome, anything else ends the load."""


@dataclass(frozen=True)
class Outcome:
    """One request; times in seconds from the load's start."""

    due_s: float  # when it was to be sent
    ended_s: float
    word: str  # DONE, or the error's word

    @property
    def seconds(self) -> float:
        """From when it was due to its answer: a driver that falls behind does not flatter the server."""
        return self.ended_s - self.due_s


async def offer(due: Sequence[float], send: Send, tick: Callable[[], object] = lambda: None) -> list[Outcome]:
    """Send request i at `due[i]` seconds from now, whatever the others do; `tick` is called at each answer.

    Returns when every request has its answer, in the order of `due`.
    """
    start = time.perf_counter()

    async def one(index: int, at: float) -> Outcome:
        await asyncio.sleep(max(0.0, at - (time.perf_counter() - start)))
        return await _outcome(index, at, start, send, tick)

    return list(await asyncio.gather(*(one(index, at) for index, at in enumerate(due))))


async def closed(
    count: int, at_once: int, send: Send, tick: Callable[[], object] = lambda: None
) -> list[Outcome]:
    """Send `count` requests with `at_once` under way: each answer lets the next one go."""
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
    """How many ended how."""
    found = [one.word for one in outcomes]
    return {word: found.count(word) for word in sorted(set(found))}


def seconds_of(outcomes: Sequence[Outcome], word: str = DONE) -> np.ndarray:
    """Latencies of the requests that ended so."""
    return np.array([one.seconds for one in outcomes if one.word == word])


def rate_of(outcomes: Sequence[Outcome]) -> float:
    """Finished requests a second, from the first due time to the last answer."""
    done = [one for one in outcomes if one.word == DONE]
    if not done:
        return 0.0
    return len(done) / (max(one.ended_s for one in done) - min(one.due_s for one in done))


def full_rate(outcomes: Sequence[Outcome], at_once: int) -> float:
    """Finished requests a second of `closed`, while it had `at_once` under way; NaN if that was too short.

    Left out are the beginning, in which none can be finished, and the end, in which ever fewer are under way.
    """
    ends = sorted(one.ended_s for one in outcomes if one.word == DONE)
    last_sent = max(one.due_s for one in outcomes)
    counted = [at for at in ends[at_once:] if at <= last_sent]
    return len(counted) / (counted[-1] - ends[at_once - 1]) if counted else float("nan")
