"""What the parts of a bench share: server, client, old service, engine alone, drawn world and report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm
from vitrine import AsyncVitrine
from vitrine.answers import TryOn
from vitrine.errors import Unavailable
from vitrine.inputs import TryOnOptions
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.try_on.facts import FAMILY

from vitrine_measure.load.actors import ONCE
from vitrine_measure.load.watch import in_flight, scrape
from vitrine_measure.load.world import World, draw_world
from vitrine_measure.service.floor import Floor
from vitrine_measure.service.report import Report

TIMEOUT_S = 300.0
IDLE_WAIT_S = 120.0  # the longest wait until the server is idle


@dataclass(frozen=True)
class Options:
    """The options of a bench; with `quick` every part runs briefly and the figures mean nothing."""

    repository: Path
    checkpoint: Path
    steps: int = 20
    quick: bool = False
    loras: Path | None = None  # registry of adapters for pictures

    def seconds(self, full: float, quick: float) -> float:
        """Return the duration for this mode."""
        return quick if self.quick else full

    def count(self, full: int, quick: int) -> int:
        """Return the count for this mode."""
        return quick if self.quick else full


@dataclass
class Bench:
    """The subjects of the measurements and the report.

    `floor` and `old` are loaded when they are first used. One subject is measured at a time.
    """

    options: Options
    report: Report
    server: EmbeddedTriton
    vitrine: AsyncVitrine
    drawn: int = field(default=0)  # number of dolls drawn so far
    seen: set[bytes] = field(default_factory=set)  # PNGs of the worlds returned so far

    @cached_property
    def floor(self) -> Floor:
        """The engine and decoder alone, used as the server uses them."""
        return Floor(self.options.repository)

    @cached_property
    def old(self) -> Callable[[TryOnOptions], bytes]:
        """The old service as a function of a try-on's options; imports torch, which takes seconds.

        Raises Unavailable if the repository was exported from another checkpoint.
        """
        from vitrine_export.checkpoint import open_checkpoint

        from vitrine_measure.service.baseline import OldService

        checkpoint = open_checkpoint(self.options.checkpoint)
        exported = read_manifest(self.options.repository / "denoise" / "1", FAMILY)
        if checkpoint.digest() != exported.digest:
            raise Unavailable("the repository was exported from another checkpoint: run make export")
        service = OldService(checkpoint, self.options.repository)
        return lambda options: service.try_on(**{name: options[name] for name in OLD_OPTIONS})  # type: ignore[literal-required]

    def world(self, people: int, garments: int) -> World:
        """Return dolls that are new to the server.

        Two dolls can have equal garments, so the pictures are compared with all those drawn before.
        """
        while True:
            world = draw_world(people, garments, first=self.drawn)
            self.drawn += max(people, garments)
            pictures = [*world.people, *(garment.picture for garment in world.garments)]
            if len({*pictures}) == len(pictures) and self.seen.isdisjoint(pictures):
                self.seen.update(pictures)
                return world

    def bar(self, total: float, what: str) -> tqdm:
        """Return the progress bar of a part."""
        return tqdm(total=round(total), desc=what, leave=False)

    async def try_on(self, options: TryOnOptions) -> TryOn:
        """Send one try-on with the client, without retries."""
        return await self.vitrine.try_on(**options, timeout_s=TIMEOUT_S)

    async def timed(self, options: TryOnOptions) -> tuple[float, TryOn]:
        """Return the seconds of one try-on, and its result."""
        start = time.perf_counter()
        answer = await self.try_on(options)
        return time.perf_counter() - start, answer

    async def warm(self, world: World) -> None:
        """Fill the caches with every person and garment of a world, and the garments' rows of all steps."""
        pairs = max(len(world.people), len(world.garments))
        for index in range(pairs):
            person, garment = index % len(world.people), index % len(world.garments)
            await self.try_on(world.options(person, garment, self.options.steps))

    async def wait_until_idle(self) -> None:
        """Return when no request is in flight; raises Unavailable after IDLE_WAIT_S."""
        give_up = time.monotonic() + IDLE_WAIT_S
        while in_flight(await asyncio.to_thread(scrape, self.server.metrics)):
            if time.monotonic() > give_up:
                raise Unavailable(f"the server was not idle after {IDLE_WAIT_S:.0f} s")
            await asyncio.sleep(0.1)


OLD_OPTIONS = ("person", "garment", "category", "description", "seed", "steps")
"""The options of a try-on that the old service has."""

Part = Callable[[Bench], Awaitable[None]]


def client_of(server: EmbeddedTriton) -> AsyncVitrine:
    """Return a client that does not retry a refused request."""
    return AsyncVitrine(server.grpc, retry=ONCE, timeout_s=TIMEOUT_S)


def p99(seconds: np.ndarray) -> float:
    """Return the 99th percentile; infinity for an empty array."""
    return float(np.percentile(seconds, 99)) if len(seconds) else float("inf")


def median(seconds: np.ndarray | list[float]) -> float:
    """Return the median; infinity for an empty array."""
    return float(np.median(seconds)) if len(seconds) else float("inf")
