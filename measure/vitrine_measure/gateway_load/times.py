"""Prints what the gateway adds to a warm try-on, and how far its estimates are from the truth.

`python -m vitrine_measure.gateway_load.times`: the same try-on goes straight to Triton and by the gateway
with `Prefer: wait`, in turn; then jobs of three sizes arrive at random, and each one's estimate at its
submission is compared with its end. The server is the embedded Triton, or --triton HOST:PORT.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import random
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image
from vitrine import AsyncVitrine

from vitrine_measure.gateway_load.serving import gateway_process
from vitrine_measure.gateway_load.wire import Connection
from vitrine_measure.gateway_soak.victims import supervised_triton
from vitrine_measure.load.world import World, draw_world, jpeg

MIXED_STEPS = (5, 10, 20)
OVERHEAD, ERROR = 0.05, 0.2  # the limits


def main() -> int:
    """Print both figures; return 0 if both are within their limits."""
    parser = argparse.ArgumentParser(prog="python -m vitrine_measure.gateway_load.times", description=__doc__)
    parser.add_argument("--triton", default="", help="host:port; default: the embedded one")
    parser.add_argument("--pairs", type=int, default=15, help="try-ons of each way (default 15)")
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 50], help="of those (default 20 50)")
    parser.add_argument(
        "--photos", metavar="WIDTHxHEIGHT", help="enlarge both pictures and send JPEG, as phones do"
    )
    parser.add_argument("--jobs", type=int, default=60, help="of the mixed load (default 60)")
    parser.add_argument("--workers", type=int, default=2, help="places of the gateway (default 2)")
    parser.add_argument(
        "--load", type=float, default=0.8, help="jobs that arrive in the time of one alone (default 0.8)"
    )
    parser.add_argument("--out", type=Path, help="also write each job's estimate and times here, as JSON")
    args = parser.parse_args()
    with ExitStack() as stack:
        triton = args.triton or stack.enter_context(supervised_triton()).grpc
        port, key, _ = stack.enter_context(gateway_process(triton=triton, workers=args.workers))
        told = asyncio.run(_measure(args, triton, port, key))
    print(json.dumps(told, indent=2))
    shares = [one["share"] for one in told["overhead"].values()]
    good = max(shares) <= OVERHEAD and told["estimates"]["median error"] <= ERROR
    return 0 if good else 1


async def _measure(args: argparse.Namespace, triton: str, port: int, key: str) -> dict[str, Any]:
    world = draw_world(people=1, garments=1)
    if args.photos:
        width, _, height = args.photos.partition("x")
        world = _enlarged(world, (int(width), int(height)))
    overhead = {}
    for steps in args.steps:
        overhead[f"{steps} steps"] = await _overhead(args.pairs, steps, world, triton, port, key)
    return {"overhead": overhead, "estimates": await _estimates(args, world, port, key)}


async def _overhead(
    pairs: int, steps: int, world: World, triton: str, port: int, key: str
) -> dict[str, float]:
    """Time pairs of the same try-on; the first ones, which fill the caches, are not counted."""
    options = world.options(0, 0, steps)
    body = _body(world, steps)
    http, straight, through = Connection(port, key), [], []
    async with AsyncVitrine(triton, timeout_s=300) as vitrine:
        for turn in range(pairs + 2):
            options["seed"] = body["inputs"]["seed"] = turn
            begun = time.perf_counter()
            async for _ in vitrine.try_on_stream(**options):
                pass
            between = time.perf_counter()
            _, job = await http.call("POST", "/v1/jobs", body, {"Prefer": "wait=60"})
            ended = time.perf_counter()
            assert job["status"] == "succeeded", job
            if turn >= 2:
                straight.append(between - begun)
                through.append(ended - between)
    added = median(other - one for one, other in zip(straight, through, strict=True))
    return {
        "straight, ms": round(1000 * median(straight), 1),
        "through the gateway, ms": round(1000 * median(through), 1),
        "added, ms": round(1000 * added, 1),  # the median of the pairs' differences
        "share": round(added / median(straight), 4),
    }


async def _estimates(args: argparse.Namespace, world: World, port: int, key: str) -> dict[str, Any]:
    """Let jobs of three sizes arrive at random, and compare estimates with ends."""
    draw, http = random.Random(0), Connection(port, key)
    taken = []
    for steps in MIXED_STEPS * 2:  # so that each size has a past
        begun = time.perf_counter()
        await http.call("POST", "/v1/jobs", _body(world, steps), {"Prefer": "wait=60"})
        taken.append(time.perf_counter() - begun)
    every_s = sum(taken) / len(taken) / args.load
    told: list[tuple[str, float, float]] = []
    for _ in range(args.jobs):
        await asyncio.sleep(draw.expovariate(1 / every_s))
        _, job = await http.call("POST", "/v1/jobs", _body(world, draw.choice(MIXED_STEPS)))
        told.append((job["id"], time.time(), job["eta_seconds"]))
    jobs = [await _ended(http, *one) for one in told]
    errors = [abs(job["eta_s"] / (job["ended"] - job["asked"]) - 1) for job in jobs]
    if args.out:
        args.out.write_text(json.dumps(jobs))
    errors = errors[args.jobs // 6 :]  # by then the times of jobs under load are known
    ordered = sorted(errors)
    return {
        "jobs": len(errors),
        "median error": round(median(errors), 3),
        "p90 error": round(ordered[int(len(ordered) * 0.9)], 3),
    }


async def _ended(http: Connection, job_id: str, asked: float, eta_s: float) -> dict[str, Any]:
    """Return when a job was submitted, began and ended, in seconds since 1970, and its first estimate."""
    _, job = await http.call("GET", f"/v1/jobs/{job_id}", None, {"Prefer": "wait=60"})
    begun, ended = (datetime.fromisoformat(job[name]).timestamp() for name in ("started_at", "finished_at"))
    steps = job["progress"]["steps"] if job["progress"] else None
    return {"steps": steps, "asked": asked, "begun": begun, "ended": ended, "eta_s": eta_s}


def _enlarged(world: World, size: tuple[int, int]) -> World:
    """The same people and garments in pictures of this size, as JPEG."""

    def photo(picture: bytes) -> bytes:
        return jpeg(Image.open(io.BytesIO(picture)).convert("RGB").resize(size))

    garments = tuple(replace(one, picture=photo(one.picture)) for one in world.garments)
    return replace(world, people=tuple(photo(one) for one in world.people), garments=garments)


def _body(world: World, steps: int) -> dict[str, Any]:
    pictures = {"person": world.people[0], "garment": world.garments[0].picture}
    inputs: dict[str, Any] = {name: base64.b64encode(one).decode() for name, one in pictures.items()}
    inputs |= {"description": world.garments[0].description, "category": world.category}
    return {"user": "ada", "inputs": {**inputs, "steps": steps, "seed": random.randrange(10**6)}}


if __name__ == "__main__":
    sys.exit(main())
