"""Shared parts of the cache benchmarks: the data, how they are read, and a line of the table."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.cache.open_cache import Cache

ROUNDS, WARM_UP = 15, 3
PAUSE_S = 0.5  # pause before each round, as between bursts of try-ons; the scheduler favours idle processes

Arrays = dict[str, np.ndarray]
Values = dict[Key, Arrays]


@dataclass(frozen=True)
class Row:
    """One line of the table; a limit of None is reported without a verdict."""

    what: str
    unit: str
    best: float  # the least disturbed time on a busy machine
    median: float
    worst: float
    limit: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        if self.limit is None:
            return True
        return self.median >= self.limit if self.at_least else self.median <= self.limit


def one_set() -> Values:
    """Return the 11 arrays of one try-on by their three keys; noise, which does not compress."""
    noise = np.random.default_rng(11)

    def picture() -> np.ndarray:
        return noise.integers(0, 256, (500, 400, 3), np.uint8)  # 600 KB as a PNG

    def floats(*shape: int) -> np.ndarray:
        return noise.standard_normal(shape, np.float32)

    return {
        Key("upper_body", owner("person", "bench"), "set"): {
            "image": picture(),
            "mask": picture(),
            "mask_grey": picture(),
            "pose_pixels": floats(3, 1024, 768),
        },
        Key("garment", owner("garment", "bench"), "set"): {
            "garment_pixels": floats(3, 1024, 768),
            "image_tokens": floats(2, 16, 20_000),
        },
        Key("text", owner("garment", "bench"), "set"): {
            "prompt_embeds": floats(77, 2048),
            "negative_prompt_embeds": floats(77, 2048),
            "garment_prompt_embeds": floats(77, 2048),
            "pooled_prompt_embeds": floats(7_500),
            "negative_pooled_prompt_embeds": floats(7_500),
        },
    }


def row_of(what: str, taken_ms: list[float], limit: float | None = None) -> Row:
    """Return best, median and worst of the times."""
    return Row(what, "ms", min(taken_ms), statistics.median(taken_ms), max(taken_ms), limit)


async def timed_ms(work: Callable[[], Awaitable[None]]) -> float:
    """Return the milliseconds that `work` takes after a pause."""
    await asyncio.sleep(PAUSE_S)
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1e3


def reader(cache: Cache, values: Values) -> Callable[[], Awaitable[None]]:
    """Return a function that reads all keys concurrently through the memo, as the pipelines do."""

    def made(arrays: Arrays) -> Callable[[], Awaitable[Arrays]]:
        async def compute() -> Arrays:
            return arrays

        return compute

    async def read() -> None:
        await asyncio.gather(*(cache.memo.get_or_compute(key, made(values[key])) for key in values))

    return read
