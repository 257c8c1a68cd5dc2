"""Computations for a cache, each of which records its number, count and duration."""

import asyncio

import numpy as np
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.cache.open_cache import Cache

KEY = Key("upper_body", owner("person", "alice"), "recipe")


def arrays(number: float = 1.0) -> dict[str, np.ndarray]:
    return {"latents": np.full((4, 3, 2), number, np.float32)}


class Compute:
    """Returns arrays of its next number, counts its calls, and waits if it is set to."""

    def __init__(self, error=None):
        self.made, self.error, self.let = 0, error, asyncio.Event()
        self.let.set()

    async def __call__(self):
        self.made += 1
        number = self.made
        await self.let.wait()
        if self.error:
            raise self.error
        return arrays(number)


async def written(cache: Cache) -> None:
    """Wait until uploads have finished."""
    while cache.memo._tasks:
        await asyncio.wait(cache.memo._tasks)


def number(found) -> tuple[float, str]:
    read, source = found
    return float(read["latents"][0, 0, 0]), source


async def get(cache: Cache, compute, key: Key = KEY) -> tuple[float, str]:
    return number(await cache.memo.get_or_compute(key, compute))
