"""What every part of a bench has at hand: the three sides, the world, and where its findings go."""

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
QUIET_S = 120.0  # the longest wait for a server to have nothing to do


@dataclass(frozen=True)
class Options:
    """How much is measured. A quick run tries every path and proves nothing."""

    repository: Path
    checkpoint: Path
    steps: int = 20
    quick: bool = False

    def of(self, full: float, quick: float) -> float:
        """A length or a count in this mode."""
        return quick if self.quick else full

    def count(self, full: int, quick: int) -> int:
        """A count in this mode."""
        return quick if self.quick else full


@dataclass
class Bench:
    """Each side is started when it is first needed. One is measured at a time while the others are idle."""

    options: Options
    report: Report
    server: EmbeddedTriton
    vitrine: AsyncVitrine
    drawn: int = field(default=0)  # dolls that were drawn
    seen: set[bytes] = field(default_factory=set)  # pictures of theirs that were given away

    @cached_property
    def floor(self) -> Floor:
        """The engine alone, as it is served."""
        return Floor(self.options.repository)

    @cached_property
    def old(self) -> Callable[[TryOnOptions], bytes]:
        """What Vitrine replaces; torch is imported here and not before."""
        from vitrine_export.checkpoint import open_checkpoint

        from vitrine_measure.service.baseline import OldService

        checkpoint = open_checkpoint(self.options.checkpoint)
        exported = read_manifest(self.options.repository / "denoise" / "1", FAMILY)
        if checkpoint.digest() != exported.digest:
            raise Unavailable("the repository was exported from another checkpoint: run make export")
        service = OldService(checkpoint, self.options.repository)
        return lambda asked: service.try_on(**{name: asked[name] for name in OLD_ASKED})  # type: ignore[literal-required]

    def world(self, people: int, garments: int) -> World:
        """Dolls that the server has not seen yet: another number now and then wears an equal garment."""
        while True:
            world = draw_world(people, garments, first=self.drawn)
            self.drawn += max(people, garments)
            pictures = [*world.people, *(garment.picture for garment in world.garments)]
            if len({*pictures}) == len(pictures) and self.seen.isdisjoint(pictures):
                self.seen.update(pictures)
                return world

    def bar(self, total: float, what: str) -> tqdm:
        """Progress of a part."""
        return tqdm(total=round(total), desc=what, leave=False)

    async def picture(self, asked: TryOnOptions) -> TryOn:
        """One try-on through the client, refused never tried again."""
        return await self.vitrine.try_on(**asked, timeout_s=TIMEOUT_S)

    async def timed(self, asked: TryOnOptions) -> tuple[float, TryOn]:
        """Seconds of one try-on, and its answer."""
        start = time.perf_counter()
        answer = await self.picture(asked)
        return time.perf_counter() - start, answer

    async def warm(self, world: World) -> None:
        """Prepare everyone and everything of a world, garment features of the usual steps included."""
        pairs = max(len(world.people), len(world.garments))
        for index in range(pairs):
            person, garment = index % len(world.people), index % len(world.garments)
            await self.picture(world.options(person, garment, self.options.steps))

    async def quiet(self) -> None:
        """Return when the server has nothing to do."""
        give_up = time.monotonic() + QUIET_S
        while in_flight(await asyncio.to_thread(scrape, self.server.metrics)):
            if time.monotonic() > give_up:
                raise Unavailable(f"the server still had work after {QUIET_S:.0f} s")
            await asyncio.sleep(0.1)


OLD_ASKED = ("person", "garment", "category", "description", "seed", "steps")

Part = Callable[[Bench], Awaitable[None]]


def client_of(server: EmbeddedTriton) -> AsyncVitrine:
    """A client that takes a refusal for an answer."""
    return AsyncVitrine(server.grpc, retry=ONCE, timeout_s=TIMEOUT_S)


def p99(seconds: np.ndarray) -> float:
    """The 99th percentile; of none it is infinite."""
    return float(np.percentile(seconds, 99)) if len(seconds) else float("inf")


def median(seconds: np.ndarray | list[float]) -> float:
    """The median; of none it is infinite."""
    return float(np.median(seconds)) if len(seconds) else float("inf")
