"""Compares the object store with boto3 on a simulated S3: 15 ms to the first byte, 90 MB/s per connection.

boto3 reads the same bytes as 11 objects in 11 threads. Both alternate, so that they see the same machine.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import boto3
from botocore.config import Config
from vitrine_orchestrator.cache.codec import encode
from vitrine_orchestrator.cache.objects import Place, S3Objects
from vitrine_orchestrator.cache.open_cache import CacheSettings, open_cache

from vitrine_measure.cache.rows import ROUNDS, WARM_UP, Row, Values, reader, row_of, timed_ms

KEYS = ("bench", "bench")
FIRST_BYTE_S, BYTES_PER_S = 0.015, 90e6


async def store_rows(values: Values, endpoint: str) -> list[Row]:
    """Measure the cache and boto3 alternately, and the event loop's delay while three sets are read."""
    settings = CacheSettings(
        "off", store="s3://bench/cache", endpoint=endpoint, region="us-east-1", keys=KEYS
    )
    first = open_cache(settings)
    await reader(first, values)()
    await first.close()  # waits for the uploads
    cache = open_cache(settings)
    read, read_old = reader(cache, values), await boto3_reader(values, endpoint)
    ours, theirs = [], []
    for _ in range(WARM_UP + ROUNDS):
        theirs.append(await timed_ms(read_old))
        ours.append(await timed_ms(read))
    delays = await loop_delays_ms(lambda: _three(settings, values))
    assert cache.memo.counters["l3_hits"] == len(values) * (WARM_UP + ROUNDS), cache.memo.counters.snapshot()
    await cache.close()
    ours, theirs = ours[WARM_UP:], theirs[WARM_UP:]
    ratio = statistics.median(ours) / statistics.median(theirs)
    return [
        row_of("L3: 11 objects by boto3, 11 threads", theirs),
        row_of("L3: 11 arrays from the store", ours),
        Row("L3: of boto3's time", "x", min(ours) / min(theirs), ratio, max(ours) / max(theirs), 0.6),
        row_of("L3: event loop's delay, 3 sets at once", delays),
    ]


async def _three(settings: CacheSettings, values: Values) -> None:
    caches = [open_cache(settings) for _ in range(3)]
    await asyncio.gather(*(reader(cache, values)() for cache in caches))
    for cache in caches:
        await cache.close()


async def boto3_reader(values: Values, endpoint: str) -> Callable[[], Awaitable[None]]:
    """Store every array as one object, as in the old layout; return a function that reads them."""
    objects = S3Objects(Place("bench", "old", endpoint, "us-east-1", KEYS))
    names = []
    for key, arrays in values.items():
        for name, array in arrays.items():
            names.append(f"old/{key.category}/{name}")
            await objects.put(f"{key.category}/{name}", encode({name: array}))
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
        config=Config(max_pool_connections=len(names)),
    )
    threads = ThreadPoolExecutor(len(names))

    def get(name: str) -> bytes:
        return client.get_object(Bucket="bench", Key=name)["Body"].read()

    async def read() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(threads, get, name) for name in names))

    return read


async def loop_delays_ms(work: Callable[[], Awaitable[None]]) -> list[float]:
    """Return how many milliseconds late the loop woke from sleeps of 1 ms during `work`."""
    delays: list[float] = []

    async def sleep() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            delays.append((time.perf_counter() - began - 0.001) * 1e3)

    sleeper = asyncio.create_task(sleep())
    await work()
    sleeper.cancel()
    return delays


@contextmanager
def simulated_store() -> Iterator[str]:
    """Yield the endpoint of a simulated store in its own process."""
    command = [
        sys.executable,
        "-m",
        "vitrine_measure.cache.simulated_s3",
        str(FIRST_BYTE_S),
        str(BYTES_PER_S),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()
