"""`python -m vitrine_measure.cache.bench`: the time of each tier for the conditioning of one try-on.

The data are those of the old service: 11 objects, 25.2 MB (a person in one category, a garment, its text).
With --repository, it also measures what a warm try-on spends outside its networks on a real server. Prints a
table and writes build/bench-cache.json; the exit code is 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from vitrine_orchestrator.cache.disk.envelope import seal
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.generations import LEASE_BYTES, OwnGenerations
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.open_cache import CacheSettings, open_cache
from vitrine_orchestrator.cache.tier import CacheCounters

from vitrine_measure.cache.rows import (
    PAUSE_S,
    ROUNDS,
    Row,
    Values,
    one_set,
    reader,
    row_of,
    timed_ms,
)
from vitrine_measure.cache.store import simulated_store, store_rows
from vitrine_measure.cache.warm import warm_rows

FILES = 22_000  # 50 GB of values of 2.3 MB


async def local_rows(values: Values, folder: Path) -> list[Row]:
    """Measure memory, and disk through the page cache."""
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


async def hot_set_row() -> Row:
    """Measure the hit rate of 60 hot garments while every other lookup is for a garment seen once."""
    dice, hits, asked = random.Random(4), 0, 0
    memory = Memory(OwnGenerations(), CacheCounters())
    hot = [Key("garment", owner("garment", f"hot {n}"), "set") for n in range(60)]
    for n in range(20_000):
        key = dice.choice(hot) if n % 2 else Key("garment", owner("garment", f"once {n}"), "set")
        got = await memory.get(key)
        if got.value is None and got.lease is not None:
            await memory.put(key, bytes(1000), got.lease)
        if n % 2 and n > 2000:
            asked, hits = asked + 1, hits + (got.value is not None)
    share = hits / asked
    return Row("hot set under a scan", "hits", share, share, share, 0.95, at_least=True)


def start_row(folder: Path, files: int) -> Row:
    """Measure the time to open a folder of many files: sweep and count."""
    disk = Disk(folder)
    header = seal(Key("text", "content:", ""), bytes(LEASE_BYTES), disk.clock(), b"")
    for n in range(files):
        path = disk.folder.path(Key("text", owner("content", str(n)), ""))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(header)
    taken = []
    for _ in range(3):
        time.sleep(PAUSE_S)
        began = time.perf_counter()
        Disk(folder)
        taken.append((time.perf_counter() - began) * 1e3)
    return row_of(f"L2: start with {files} files", taken, 1000.0)


async def measure(files: int) -> list[Row]:
    """Measure every row."""
    values = one_set()
    with tempfile.TemporaryDirectory() as scratch, simulated_store() as endpoint:
        rows = await local_rows(values, Path(scratch) / "disk")
        rows += await store_rows(values, endpoint)
        rows.append(await hot_set_row())
        rows.append(start_row(Path(scratch) / "many", files))
    return rows


def table(rows: list[Row]) -> str:
    """Format the rows, one line each."""
    lines = [f"{'':44} {'best':>9} {'median':>9} {'worst':>9}  {'limit':>10}"]
    for row in rows:
        limit = "" if row.limit is None else f"{'>=' if row.at_least else '<='} {row.limit:g}"
        verdict = "" if row.limit is None else ("  met" if row.met else "  NOT MET")
        figures = " ".join(f"{figure:9.3f}" for figure in (row.best, row.median, row.worst))
        lines.append(f"{row.what:44} {figures}  {limit:>10} {row.unit}{verdict}")
    return "\n".join(lines)


def main() -> int:
    """Measure, print and write the rows."""
    parser = argparse.ArgumentParser("vitrine_measure.cache.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/bench-cache.json"), help="JSON file to write")
    parser.add_argument(
        "--files",
        type=int,
        default=FILES,
        help="number of files in the cache folder for the row that times a start (default: %(default)s)",
    )
    parser.add_argument(
        "--repository", type=Path, help="exported model repository; times warm try-ons on a real server"
    )
    parser.add_argument(
        "--picture", type=Path, help="picture for --repository, used as person and as garment"
    )
    args = parser.parse_args()
    if (args.repository is None) != (args.picture is None):
        parser.error("--repository and --picture go together")
    rows = asyncio.run(measure(args.files))
    if args.repository:
        rows += warm_rows(args.repository, args.picture.read_bytes())
    print(table(rows))
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine, "rows": [asdict(row) | {"met": row.met} for row in rows]}
    args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
