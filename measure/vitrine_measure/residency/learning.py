"""Learns what a shop's requests need, from a server that holds everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from vitrine import AsyncVitrine
from vitrine_orchestrator.embedded.budget import BudgetedTriton

from vitrine_measure.load.watch import scrape
from vitrine_measure.residency.mix import SHARES, Shop

TIMEOUT_S = 300.0  # of a request
AT_ONCE = 4  # requests of a kind together, which take the most memory
ALL_NEW = 1.0  # so that every network works
SEED = 11  # of requests that the measured ones do not repeat
SETTLE_S = 3.0  # metrics are published, and the owner measures


@dataclass(frozen=True)
class Learnt:
    """What the requests took."""

    always: int  # bytes of what is never unloaded
    used: int  # bytes of the models that the requests need
    others: int  # bytes of the models that none needs
    seconds: float  # mean time of a request alone
    kinds: tuple[tuple[str, int], ...]  # each kind of request, and the bytes of its models


def learn(server: BudgetedTriton, steps: int) -> Learnt:
    """Send requests of every kind, several at once and one alone."""
    used: dict[str, set[str]] = {}
    mean = 0.0
    names = [one["name"] for one in server.owner()["models"]]
    for kind, share in SHARES.items():
        before = scrape(server.metrics)
        seconds = asyncio.run(_send(server, steps, kind))
        time.sleep(SETTLE_S)
        mean += share * seconds
        used[kind] = _called(before, scrape(server.metrics), names)
    state = server.owner()
    sizes = {one["name"]: one["bytes"] for one in state["models"]}
    needed = set().union(*used.values())
    return Learnt(
        always=state["fixed"],
        used=sum(sizes[name] for name in needed),
        others=sum(size for name, size in sizes.items() if name not in needed),
        seconds=mean,
        kinds=tuple((kind, sum(sizes[name] for name in found)) for kind, found in used.items()),
    )


async def _send(server: BudgetedTriton, steps: int, kind: str) -> float:
    """The seconds of a request alone, after several at once."""
    async with AsyncVitrine(server.grpc, timeout_s=TIMEOUT_S) as vitrine:
        shop = Shop(vitrine, steps, TIMEOUT_S, ALL_NEW, SEED)
        await asyncio.gather(*(shop.one(kind)() for _ in range(AT_ONCE)))
        start = time.perf_counter()
        await shop.one(kind)()
        return time.perf_counter() - start


def _called(before: Mapping[str, float], after: Mapping[str, float], names: list[str]) -> set[str]:
    """The models of `names` that answered requests between two readings of Triton's metrics."""
    return {
        name
        for name in names
        for key, value in after.items()
        if key.startswith(f'nv_inference_request_success{{model="{name}"') and value > before.get(key, 0)
    }
