"""A shop's requests on a real server whose memory budget is a part of what all models take.

70 % try-ons, 25 % product advertisements and 5 % pictures from a sentence, at random times. Until there is a
pipeline of advertisements, one is a picture from a sentence and a cut-out of it, one after the other. Where
the repository has no pictures from sentences, try-ons by FASHN VTON stand for them: the second large family.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from vitrine import AsyncVitrine
from vitrine.commands.models import table
from vitrine.errors import BadRequest, Unavailable, VitrineError
from vitrine.inputs import TryOnOptions
from vitrine_orchestrator.embedded.budget import BudgetedTriton
from vitrine_orchestrator.embedded.ports import Ports
from vitrine_orchestrator.embedded.repository import model_names
from vitrine_orchestrator.residency.amounts import read_bytes
from vitrine_orchestrator.residency.meter import ProcessMeter

from vitrine_measure.load.arrivals import poisson
from vitrine_measure.load.watch import MIB, scrape, total
from vitrine_measure.load.world import Mix, draw_world

PEOPLE = 6  # and as many garments: a shop's try-ons are of few products at a time
PROMPTS = ("a red kettle on a table", "a blue mug", "a lamp in a room", "two shoes", "a bag on a chair")
EVERYTHING = "64TiB"
RESERVE = "64MiB"
SAMPLE_S = 0.1
TIMEOUT_S = 300.0
LOAD_OF_CAPACITY = 0.6

Send = Callable[[], Awaitable[object]]


@dataclass
class Run:
    """What happened at one budget."""

    budget: int
    samples: list[int] = field(default_factory=list)  # bytes of all the server's processes
    seconds: list[float] = field(default_factory=list)  # of the requests that were answered
    lost: list[str] = field(default_factory=list)
    metrics: Mapping[str, float] = field(default_factory=dict)  # how much each grew
    wall_s: float = 0.0


class Shop:
    """Draws a shop's requests, the same ones for every budget."""

    def __init__(self, vitrine: AsyncVitrine, steps: int, draws: bool) -> None:
        """`draws`: whether the server has pictures from sentences."""
        self._vitrine, self._steps, self._draws = vitrine, steps, draws
        self._draw = np.random.default_rng(12)
        self._dolls = Mix(draw_world(PEOPLE, PEOPLE), steps, seed=12)
        self.kinds: dict[str, tuple[float, Send]] = {
            "try-on": (0.70, self.try_on),
            "advertisement": (0.25, self.advertisement),
            "picture": (0.05, self.picture),
        }

    def next(self) -> tuple[str, Send]:
        """The kind of the next request, and what sends it."""
        names = list(self.kinds)
        chosen = names[int(self._draw.choice(len(names), p=[share for share, _ in self.kinds.values()]))]
        return chosen, self.kinds[chosen][1]

    async def try_on(self) -> object:
        """Put a person into a garment, by IDM-VTON."""
        return await self._vitrine.try_on(**self._options(model="idm_vton"), timeout_s=TIMEOUT_S)

    def _options(self, **own: object) -> TryOnOptions:
        """The next try-on, with these options of a family."""
        return cast(TryOnOptions, {**self._dolls.options(), **own})

    async def picture(self) -> Any:
        """Draw a picture from a sentence, or what stands for it."""
        if not self._draws:
            options = self._options(model="fashn", garment_photo_type="flat-lay")
            return await self._vitrine.try_on(**options, timeout_s=TIMEOUT_S)
        prompt, seed = str(self._draw.choice(PROMPTS)), int(self._draw.integers(2**31))
        return await self._vitrine.text_to_image(
            prompt=prompt, seed=seed, steps=self._steps, timeout_s=TIMEOUT_S
        )

    async def advertisement(self) -> object:
        """Draw a picture, and cut its product out, if there is one in it."""
        drawn = await self.picture()
        try:
            return await self._vitrine.cut_out(drawn.encoded, timeout_s=TIMEOUT_S)
        except BadRequest:  # no product in the picture of a checkpoint that cannot draw one
            return drawn


def measure(args: argparse.Namespace) -> int:
    """Serve at each budget and print a table; return 1 if a request was lost or memory was exceeded."""
    if missing := sorted({"try_on", "cut_out"} - set(model_names(args.repository))):
        raise Unavailable(f"{args.repository} must hold try-on and cut-out, not {missing}")
    sizes = args.out / "residency-sizes.json"
    always, models, rate = _learn(args, sizes)
    print(f"always loaded {always / MIB:.0f} MiB, models {models / MIB:.0f} MiB, {rate:.2f} requests/s")
    rows: list[tuple[str, ...]] = [_HEAD]
    bad = False
    for share in args.shares:
        budget = always + read_bytes(RESERVE) + round(share * models)
        run = _serve(args, budget, sizes, rate)
        bad |= bool(run.lost) or max(run.samples) > budget
        rows.append(_row(share, run))
        print(table(rows), flush=True)
        for text in sorted(set(run.lost)):
            print(f"lost: {text}", file=sys.stderr)
    return int(bad)


def draws(args: argparse.Namespace) -> bool:
    """Whether the repository has pictures from sentences."""
    return "text_to_image" in model_names(args.repository)


def _learn(args: argparse.Namespace, sizes: Path) -> tuple[int, int, float]:
    """Bytes that are always taken and bytes of all models, after work of every kind; requests a second."""
    with _server(args, EVERYTHING, sizes) as server:
        seconds = asyncio.run(_one_of_each(server, args))
        time.sleep(3)  # the owner measures meanwhile
        state = server.owner()
    return (
        state["fixed"],
        sum(one["bytes"] for one in state["models"]),
        args.rate or LOAD_OF_CAPACITY / seconds,
    )


async def _one_of_each(server: BudgetedTriton, args: argparse.Namespace) -> float:
    """The mean seconds of a request, alone, by the shares of the kinds."""
    mean = 0.0
    async with AsyncVitrine(server.grpc, timeout_s=TIMEOUT_S) as vitrine:
        for share, send in Shop(vitrine, args.steps, draws(args)).kinds.values():
            await asyncio.gather(*(send() for _ in range(4)))  # first work together, which takes most memory
            start = time.perf_counter()
            await send()
            mean += share * (time.perf_counter() - start)
    return mean


def _serve(args: argparse.Namespace, budget: int, sizes: Path, rate: float) -> Run:
    run = Run(budget)
    with _server(args, f"{budget}B", sizes) as server:
        over, meter = threading.Event(), ProcessMeter(server.pid)

        def sample() -> None:
            while not over.wait(SAMPLE_S):
                run.samples.append(meter.read().total)

        sampling = threading.Thread(target=sample)
        sampling.start()
        before, start = scrape(server.metrics), time.monotonic()
        try:
            asyncio.run(_offer(server, args, rate, run))
        finally:
            over.set()
            sampling.join()
        run.wall_s = time.monotonic() - start
        time.sleep(0.5)  # metrics are published every 0.2 s
        run.metrics = {name: value - before.get(name, 0) for name, value in scrape(server.metrics).items()}
    return run


async def _offer(server: BudgetedTriton, args: argparse.Namespace, rate: float, run: Run) -> None:
    """Send requests at random times, whatever happens to earlier ones."""
    async with AsyncVitrine(server.grpc, timeout_s=TIMEOUT_S) as vitrine:
        shop, start, sent = Shop(vitrine, args.steps, draws(args)), time.perf_counter(), []
        for due in poisson(rate, args.seconds, np.random.default_rng(7)):
            await asyncio.sleep(max(due - (time.perf_counter() - start), 0))
            sent.append(asyncio.create_task(_timed(*shop.next(), run)))
        await asyncio.gather(*sent)


async def _timed(kind: str, send: Send, run: Run) -> None:
    start = time.perf_counter()
    try:
        await send()
        run.seconds.append(time.perf_counter() - start)
    except VitrineError as error:
        run.lost.append(f"{kind}: {type(error).__name__}: {error}")


def _server(args: argparse.Namespace, memory: str, sizes: Path) -> BudgetedTriton:
    environment = {
        **os.environ,
        "VITRINE_MEMORY_SIZES": str(sizes.resolve()),
        "VITRINE_MEMORY_RESERVE": RESERVE,
    }
    return BudgetedTriton(memory, args.repository, ports=Ports(0, 0, 0), environment=environment)


_HEAD = (
    *("models", "budget MiB", "most MiB", "requests", "lost", "median s", "p95 s", "loads"),
    *("evictions", "time waited for loads"),
)


def _row(share: float, run: Run) -> tuple[str, ...]:
    """One budget's line."""
    seconds = run.seconds or [float("nan")]
    waited = total(run.metrics, "vitrine_memory_waiting_seconds_total") / run.wall_s
    return (
        f"{share:.0%}",
        f"{run.budget / MIB:.0f}",
        f"{max(run.samples) / MIB:.0f}",
        str(len(run.seconds) + len(run.lost)),
        str(len(run.lost)),
        f"{np.median(seconds):.2f}",
        f"{np.percentile(seconds, 95):.2f}",
        f"{total(run.metrics, 'vitrine_memory_loads_total'):.0f}",
        f"{total(run.metrics, 'vitrine_memory_evictions_total'):.0f}",
        f"{waited:.1%}",
    )
