"""One server process's cache, spoken to by lines of JSON: for tests with real processes.

usage: cache_process.py FOLDER ENDPOINT
get: {"do": "get", "id": n, "person": name, "version": made if it is a miss, "takes_s": seconds to make it}
forget: {"do": "forget", "id": n, "person": name}. Each is answered by {"id": n, ...} when it is done; several
may be under way.
"""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.cache.open_cache import Cache, CacheSettings, open_cache


async def answer(cache: Cache, order: dict) -> dict:
    """Carry out one order."""
    who = owner("person", order["person"])
    if order["do"] == "forget":
        await cache.memo.forget(who)
        return {}

    async def compute():
        await asyncio.sleep(order["takes_s"])
        return {"version": np.array([order["version"]], np.int64)}

    found, source = await cache.memo.get_or_compute(Key("upper_body", who, "recipe"), compute)
    return {"version": int(found["version"][0]), "source": source}


async def serve(folder: Path, endpoint: str) -> None:
    """Read orders until the input ends."""
    place = {"store": "s3://bucket/cache", "endpoint": endpoint, "region": "us-east-1", "keys": ("k", "s")}
    cache = open_cache(CacheSettings(folder=folder, **place))
    loop, tasks = asyncio.get_running_loop(), set()

    async def respond(order: dict) -> None:
        told = await answer(cache, order)
        print(json.dumps({"id": order["id"], **told}), flush=True)

    print("{}", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.create_task(respond(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    await cache.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
