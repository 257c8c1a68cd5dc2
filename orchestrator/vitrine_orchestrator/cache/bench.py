"""`python -m vitrine_orchestrator.cache.bench`: what each tier takes for the conditioning of one try-on.

The set is the old service's: 11 objects, 25.2 MB (a person in one category, a garment, its text). The object
store is simulated in a process of its own: 15 ms to the first byte, 90 MB/s a connection. boto3 with 11
threads reads the same bytes as 11 objects in turn with the cache, so both see the same machine. Prints a
table and writes build/bench-cache.json; exit code 1 if a limit is not met.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import boto3
import numpy as np
from botocore.config import Config

from vitrine_orchestrator.cache.codec import encode
from vitrine_orchestrator.cache.disk import Disk
from vitrine_orchestrator.cache.envelope import seal
from vitrine_orchestrator.cache.generations import LEASE_BYTES, OwnGenerations
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.objects import Place, S3Objects
from vitrine_orchestrator.cache.opening import Cache, CacheSettings, open_cache
from vitrine_orchestrator.cache.tier import Counters

KEYS = ("bench", "bench")
FIRST_BYTE_S, BYTES_PER_S = 0.015, 90e6
ROUNDS, WARM_UP = 15, 3
FILES = 22_000  # 50 GB of values of 2.3 MB

Arrays = dict[str, np.ndarray]
Values = dict[Key, Arrays]


@dataclass(frozen=True)
class Row:
    """One line of the table; limit None: told, not judged."""

    what: str
    unit: str
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
    """Median and worst of some times."""
    return Row(what, "ms", statistics.median(taken_ms), max(taken_ms), limit)


async def timed_ms(work: Callable[[], Awaitable[None]]) -> float:
    """Milliseconds that `work` takes."""
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


async def local_rows(values: Values, folder: Path) -> list[Row]:
    """Memory, and disk by the page cache."""
    rows = []
    for what, limit, settings in (
        ("L1: 11 arrays from memory", 1.0, CacheSettings()),
        ("L2: 11 arrays from disk, warm", 15.0, CacheSettings("off", folder)),
    ):
        cache = open_cache(settings)
        read = reader(cache, values)
        taken = [await timed_ms(read) for _ in range(1 + ROUNDS)]
        assert cache.memo.counters["misses"] == len(values), "the first read fills, the others hit"
        rows.append(row_of(what, taken[1:], limit))
        await cache.close()
    return rows


async def store_rows(values: Values, endpoint: str) -> list[Row]:
    """The object store by the cache and by boto3, in turn; and the loop's delay while three sets are read."""
    settings = CacheSettings(
        "off", store="s3://bench/cache", endpoint=endpoint, region="us-east-1", keys=KEYS
    )
    first = open_cache(settings)
    await reader(first, values)()
    await first.close()  # uploads are finished
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
        Row("L3: of boto3's time", "x", ratio, max(ours) / max(theirs), 0.6),
        Row("L3: event loop's delay, 3 sets at once", "ms", statistics.median(delays), max(delays)),
    ]


async def _three(settings: CacheSettings, values: Values) -> None:
    caches = [open_cache(settings) for _ in range(3)]
    await asyncio.gather(*(reader(cache, values)() for cache in caches))
    for cache in caches:
        await cache.close()


async def boto3_reader(values: Values, endpoint: str) -> Callable[[], Awaitable[None]]:
    """Stores every array as one object, as the old layout has it, and reads them in 11 threads."""
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
    """How late the loop woke a sleeper of 1 ms while `work` was under way."""
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


async def hot_set_row() -> Row:
    """The share of hits of 60 hot garments while every other lookup is for a garment seen once."""
    dice, hits, asked = random.Random(4), 0, 0
    memory = Memory(OwnGenerations(), Counters())
    hot = [Key("garment", owner("garment", f"hot {n}"), "set") for n in range(60)]
    for n in range(20_000):
        key = dice.choice(hot) if n % 2 else Key("garment", owner("garment", f"once {n}"), "set")
        got = await memory.get(key)
        if got.value is None and got.lease is not None:
            await memory.put(key, bytes(1000), got.lease)
        if n % 2 and n > 2000:
            asked, hits = asked + 1, hits + (got.value is not None)
    return Row("hot set under a scan", "hits", hits / asked, hits / asked, 0.95, at_least=True)


def start_row(folder: Path, files: int) -> Row:
    """Opening a folder of many files: sweep and count."""
    disk = Disk(folder)
    header = seal(Key("text", "content:", ""), bytes(LEASE_BYTES), disk.clock(), b"")
    for n in range(files):
        path = disk.folder.path(Key("text", owner("content", str(n)), ""))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(header)
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        Disk(folder)
        taken.append((time.perf_counter() - began) * 1e3)
    return row_of(f"L2: start with {files} files", taken, 1000.0)


async def measure(files: int) -> list[Row]:
    """Every row."""
    values = one_set()
    with tempfile.TemporaryDirectory() as scratch, simulated_store() as endpoint:
        rows = await local_rows(values, Path(scratch) / "disk")
        rows += await store_rows(values, endpoint)
        rows.append(await hot_set_row())
        rows.append(start_row(Path(scratch) / "many", files))
    return rows


@contextmanager
def simulated_store() -> Iterator[str]:
    """The endpoint of a simulated store in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "vitrine_orchestrator.cache.simulated_s3",
        str(FIRST_BYTE_S),
        str(BYTES_PER_S),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def table(rows: list[Row]) -> str:
    """One line for each row."""
    lines = [f"{'':42} {'median':>9} {'worst':>9}  {'limit':>10}"]
    for row in rows:
        limit = "" if row.limit is None else f"{'>=' if row.at_least else '<='} {row.limit:g}"
        verdict = "" if row.limit is None else ("  met" if row.met else "  NOT MET")
        lines.append(f"{row.what:42} {row.median:9.3f} {row.worst:9.3f}  {limit:>10} {row.unit}{verdict}")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        "vitrine_orchestrator.cache.bench", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench-cache.json"), help="JSON of the table")
    parser.add_argument(
        "--files", type=int, default=FILES, help="files of the start's row (default: %(default)s)"
    )
    args = parser.parse_args()
    rows = asyncio.run(measure(args.files))
    print(table(rows))
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    told = {"machine": machine, "rows": [asdict(row) | {"met": row.met} for row in rows]}
    args.out.write_text(json.dumps(told, indent=2) + "\n")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
