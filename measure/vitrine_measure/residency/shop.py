"""A shop's requests (mix.py) on a real server whose memory budget is a part of what their models take.

Time lost to loading is the share of the time in which at least one call waited for its model. Beside it stand
the waits of all calls as a share of the requests' own time, and the mean time of a request, to be compared
with that at 100 %.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from vitrine import AsyncVitrine
from vitrine.commands.models import table
from vitrine.errors import Unavailable, VitrineError
from vitrine_orchestrator.embedded.budget import BudgetedTriton
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.repository import model_names
from vitrine_orchestrator.residency.amounts import read_bytes
from vitrine_orchestrator.residency.meter import ProcessMeter

from vitrine_measure.load.arrivals import poisson
from vitrine_measure.load.watch import MIB, scrape, total
from vitrine_measure.residency.learning import TIMEOUT_S, learn
from vitrine_measure.residency.mix import Send, Shop

NEEDED = ("try_on", "product_ad", "text_to_image")
EVERYTHING = "64TiB"
RESERVE = "64MiB"
SAMPLE_S = 0.2
LOAD_OF_CAPACITY = 0.6


@dataclass
class Run:
    """What happened at one budget."""

    budget: int
    samples: list[int] = field(default_factory=list)  # bytes of all the server's processes
    seconds: list[float] = field(default_factory=list)  # of the requests that were answered
    lost: list[str] = field(default_factory=list)
    metrics: Mapping[str, float] = field(default_factory=dict)  # how much each grew
    wall_s: float = 0.0


def measure(args: argparse.Namespace) -> int:
    """Serve at each budget and print a table; return 1 if a request was lost or memory was exceeded."""
    if missing := sorted(set(NEEDED) - set(model_names(args.repository))):
        raise Unavailable(f"{args.repository} must hold {', '.join(NEEDED)}, not without {missing}")
    sizes = args.out / "residency-sizes.json"
    with open_server(args, EVERYTHING, sizes) as server:
        learnt = learn(server, args.steps)
    rate = args.rate or LOAD_OF_CAPACITY / learnt.seconds
    print(
        f"always loaded {learnt.always / MIB:.0f} MiB; models of the requests {learnt.used / MIB:.0f} MiB, "
        f"others {learnt.others / MIB:.0f} MiB; {rate:.2f} requests/s"
    )
    print(
        "models of each kind of request: "
        + ", ".join(f"{kind} {taken / MIB:.0f} MiB" for kind, taken in learnt.kinds)
    )
    rows: list[tuple[str, ...]] = [_HEAD]
    bad = False
    for share in args.shares:
        others = learnt.others if share >= 1 else 0
        budget = learnt.always + read_bytes(RESERVE) + round(share * learnt.used) + others
        run = _serve(args, budget, sizes, rate)
        bad |= bool(run.lost) or max(run.samples) > budget
        rows.append(_row(share, run))
        print(table(rows), flush=True)
        for text in sorted(set(run.lost)):
            print(f"lost: {text}", file=sys.stderr)
    return int(bad)


def _serve(args: argparse.Namespace, budget: int, sizes: Path, rate: float) -> Run:
    run = Run(budget)
    with open_server(args, f"{budget}B", sizes) as server:
        over, meter = threading.Event(), ProcessMeter(server.pid, look_s=0.0)

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
        shop, start, sent = Shop(vitrine, args.steps, TIMEOUT_S, args.new), time.perf_counter(), []
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


def open_server(args: argparse.Namespace, memory: str, sizes: Path) -> BudgetedTriton:
    """A server of the repository with a budget, which keeps measured sizes in a file."""
    environment = {
        **os.environ,
        "VITRINE_MEMORY_SIZES": str(sizes.resolve()),
        "VITRINE_MEMORY_RESERVE": RESERVE,
    }
    return BudgetedTriton(memory, args.repository, ports=ANY_PORTS, environment=environment)


_HEAD = (
    *("models", "budget MiB", "most MiB", "requests", "lost", "mean s", "median s", "p95 s", "loads"),
    *("evictions", "time lost to loading", "waits / requests' time"),
)


def _row(share: float, run: Run) -> tuple[str, ...]:
    """One budget's line."""
    seconds = run.seconds or [float("nan")]
    lost = total(run.metrics, "vitrine_memory_waiting_seconds_total") / run.wall_s
    waits = total(run.metrics, "vitrine_stage_wait_seconds_total") / sum(seconds)
    return (
        f"{share:.0%}",
        f"{run.budget / MIB:.0f}",
        f"{max(run.samples) / MIB:.0f}",
        str(len(run.seconds) + len(run.lost)),
        str(len(run.lost)),
        f"{np.mean(seconds):.2f}",
        f"{np.median(seconds):.2f}",
        f"{np.percentile(seconds, 95):.2f}",
        f"{total(run.metrics, 'vitrine_memory_loads_total'):.0f}",
        f"{total(run.metrics, 'vitrine_memory_evictions_total'):.0f}",
        f"{lost:.1%}",
        f"{waits:.1%}",
    )
