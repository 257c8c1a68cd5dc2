"""What the cache's benchmarks have in common: the set, how it is read, and a line of the table."""

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
PAUSE_S = 0.5  # before each round: try-ons come in bursts too, and busy machines favour who has rested

Arrays = dict[str, np.ndarray]
Values = dict[Key, Arrays]


@dataclass(frozen=True)
class Row:
    """One line of the table; limit None: told, not judged."""

    what: str
    unit: str
    best: float  # on a busy machine the least disturbed
    median: float
    worst: float
    limit: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median keeps the limit."""
        if self.limit is None:
            return True
        return self.median >= self.limit if self.at_least else self.median <= self.limit


def one_set() -> Values:
    """The 11 arrays of one try-on by the three keys they belong to; noise, so that nothing compresses."""
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
    """Best, median and worst of some times."""
    return Row(what, "ms", min(taken_ms), statistics.median(taken_ms), max(taken_ms), limit)


async def timed_ms(work: Callable[[], Awaitable[None]]) -> float:
    """Milliseconds that `work` takes, after a rest."""
    await asyncio.sleep(PAUSE_S)
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1e3


def reader(cache: Cache, values: Values) -> Callable[[], Awaitable[None]]:
    """Reads the whole set through the memo as the pipelines do, all keys at once."""

    def made(arrays: Arrays) -> Callable[[], Awaitable[Arrays]]:
        async def compute() -> Arrays:
            return arrays

        return compute

    async def read() -> None:
        await asyncio.gather(*(cache.memo.get_or_compute(key, made(values[key])) for key in values))

    return read
