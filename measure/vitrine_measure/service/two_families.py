"""The part of the bench that compares the two try-on families on one server, on the same dolls."""

from __future__ import annotations

import asyncio
from typing import cast

from vitrine.errors import Unavailable
from vitrine.inputs import TryOnOptions
from vitrine_orchestrator.manifest import read_manifests

from vitrine_measure.load.driver import full_rate
from vitrine_measure.load.watch import MIB, read
from vitrine_measure.load.world import WORLD
from vitrine_measure.score.run import Options, score
from vitrine_measure.score.wire import wire_try_on
from vitrine_measure.service.bench import Bench, median
from vitrine_measure.service.comparisons import AT_ONCE, send_all

FAMILIES = ("idm_vton", "fashn")
EACH = 12
"""Requests of every client in one measurement."""


async def families(bench: Bench) -> None:
    """Measure pictures a second of each family alone and of both mixed, and the pictures' errors.

    Each family takes its checkpoint's own number of steps. The mixed requests alternate. Raises Unavailable
    if the repository does not hold both families.
    """
    held = read_manifests(bench.options.repository / "try_on" / "1")
    if missing := [name for name in FAMILIES if name not in held]:
        raise Unavailable(f"the repository holds no release of {missing}: run make second")
    add = bench.report.add
    add("families", "memory, both loaded, at rest", await _memory(bench), "MiB")
    requests = {name: _requests(bench, name) for name in FAMILIES}
    mixed = [one for pair in zip(*requests.values(), strict=True) for one in pair]
    for name in FAMILIES:
        await _rate(bench, requests[name], 1)
    alone: dict[str, list[float]] = {name: [] for name in FAMILIES}
    together, shares = [], []
    for _ in range(bench.options.count(3, 1)):
        for name in FAMILIES:
            alone[name].append(await _rate(bench, requests[name], bench.options.count(EACH, 3)))
        together.append(await _rate(bench, mixed[: len(mixed) // 2], bench.options.count(EACH, 3)))
        shares.append(together[-1] / in_turns(*(rates[-1] for rates in alone.values())))
    for name in FAMILIES:
        add("families", f"8 warm at once, {name}", median(alone[name]), "pictures/s")
    add("families", "8 warm at once, 4 of each", median(together), "pictures/s")
    add("families", "4 of each / as if the families took turns", median(shares), "×")
    add("families", "memory, both loaded, after the load", await _memory(bench), "MiB")
    await _errors(bench)


def in_turns(one: float, other: float) -> float:
    """Pictures a second of two rates when half of the pictures are of each: their harmonic mean."""
    return 2 / (1 / one + 1 / other)


async def _errors(bench: Bench) -> None:
    count = bench.options.count(48, 3)
    for name in FAMILIES:
        found = await score(None, wire_try_on(bench.vitrine, Options(model=name)), WORLD, count)
        for category, counts in found.tryon.items():
            figures = counts.figures()
            about = f"{name}, {category}"
            bench.report.add("families", f"error / unchanged, {about}", figures["mae_ratio"], "×")
            bench.report.add("families", f"nearest to the right garment, {about}", figures["retrieval"], "×")


def _requests(bench: Bench, name: str) -> list[TryOnOptions]:
    """Return one request for each of eight dolls; the steps are left to the checkpoint."""
    world = bench.world(AT_ONCE, AT_ONCE)
    requests = [world.options(index, index, 1) for index in range(AT_ONCE)]
    own = {"model": name, "garment_photo_type": "flat-lay", "steps": None}
    return [cast(TryOnOptions, {**one, **own}) for one in requests]


async def _rate(bench: Bench, requests: list[TryOnOptions], times: int) -> float:
    return full_rate(await send_all(bench, requests, times), AT_ONCE)


async def _memory(bench: Bench) -> float:
    await bench.wait_until_idle()
    return (await asyncio.to_thread(read, bench.server)).memory_bytes / MIB
