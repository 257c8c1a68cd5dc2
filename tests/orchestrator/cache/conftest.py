"""Fixtures of the cache tests: helpers by name, and the length of the random tests."""

import os
import sys
from pathlib import Path

import pytest
from vitrine_measure.cache.simulated_s3 import SimulatedS3
from vitrine_orchestrator.cache.open_cache import Cache, CacheSettings, open_cache
from vitrine_orchestrator.try_on.cache_rows import LIMITS

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def seconds() -> float:
    """Seconds of a random test: half a minute, or CACHE_TEST_SECONDS (`make soak-cache`: 10 minutes)."""
    return float(os.environ.get("CACHE_TEST_SECONDS", "30"))


@pytest.fixture
async def s3():
    """A simulated object store in memory, without faults at first."""
    async with SimulatedS3() as server:
        yield server


@pytest.fixture
async def opened(tmp_path, s3):
    """Opens any number of caches ("processes") on one folder and one store, and closes them."""
    caches: list[Cache] = []

    def make(schemas=None, **changes) -> Cache:
        settings = {"folder": tmp_path / "cache", "store": "s3://bucket/cache", "endpoint": s3.endpoint}
        settings |= {"region": "us-east-1", "keys": ("key", "secret")} | changes
        caches.append(open_cache(CacheSettings(limits=LIMITS, **settings), schemas))
        return caches[-1]

    yield make
    for cache in caches:
        await cache.close()
