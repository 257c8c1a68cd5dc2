"""What the cache tests share: their helpers by name, and how long the random ones run."""

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
    """How long a random test runs: a minute, or CACHE_TEST_SECONDS (`make soak-cache`: 10 minutes)."""
    return float(os.environ.get("CACHE_TEST_SECONDS", "60"))


@pytest.fixture
async def s3():
    """An object store of our own, in memory and without faults at first."""
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
