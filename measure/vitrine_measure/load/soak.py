"""Puts mixed load on a server for a long time, and compares its resources before and after."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from vitrine import AsyncVitrine
from vitrine.errors import VitrineError
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.stages import stage

from vitrine_measure.load.actors import ACTORS, GRPC, HTTP, ONCE, TIMEOUT_S, Actor, Ground
from vitrine_measure.load.arrivals import poisson
from vitrine_measure.load.driver import DONE, closed, offer, words
from vitrine_measure.load.operator import Operator
from vitrine_measure.load.photographs import photographs
from vitrine_measure.load.watch import Allowance, Reading, leaks, read
from vitrine_measure.load.world import Mix, World

SETTLE_S = 60.0  # longest wait for the end of the last requests
REST_S = 3.0  # wait for the release of closed connections
EVERY_S = 5.0  # time between two readings under load
CROWD = 128  # concurrent requests before the first reading, so that thread pools and buffers are full

ALLOWED = Allowance(memory_share=0.05, threads=8, files=4)
"""Bounded pools start threads on demand (about 800 here), and Triton's polling changes the number of
descriptors by a few. A leak grows with the requests, of which there are hundreds."""

ALLOWED_OPERATED = replace(ALLOWED, files=120)
"""A process that Triton starts under load inherits the connections that are open at that moment."""


@dataclass(frozen=True)
class SoakPlan:
    """The options of a soak."""

    seconds: float
    rate: float  # clients per second
    steps: int = 20
    warm_up_s: float = 30.0
    seed: int = 0
    operate_every_s: float = 10.0  # seconds between two operations


@dataclass
class Soaked:
    """The result of a soak."""

    before: Reading
    after: Reading
    ends: Counter[tuple[str, str]]  # (kind of client, outcome)
    proof: dict[str, int]  # outcomes, after the load, of as many concurrent requests as `try_on` accepts
    times: list[tuple[float, Reading]] = field(default_factory=list)  # seconds, reading
    done: Counter[str] = field(default_factory=Counter)  # operations by name
    failed: list[str] = field(default_factory=list)  # sentences on failed operations
    supervised: list[str] = field(default_factory=list)  # messages of the supervisor; none is expected

    def faults(self, allowed: Allowance = ALLOWED) -> list[str]:
        """Return a sentence per fault."""
        known = {actor.name: actor.ends for actor in ACTORS}
        found = [
            f"{count} clients of the kind {kind!r} ended with {word!r}"
            for (kind, word), count in sorted(self.ends.items())
            if word not in known[kind]
        ]
        if lost := sum(count for word, count in self.proof.items() if word != DONE):
            found.append(f"afterwards {lost} of {sum(self.proof.values())} requests at once had no picture")
        found += [f"operator: {text}" for text in self.failed]
        found += [f"supervisor: {text}" for text in self.supervised]
        return found + leaks(self.before, self.after, allowed)


async def soak(
    server: EmbeddedTriton,
    world: World,
    plan: SoakPlan,
    tick: Callable[[], object] = lambda: None,
    operator: Operator | None = None,
) -> Soaked:
    """Put load on the server, with or without an operator; call `tick` after each client."""
    addresses = {GRPC: server.grpc, HTTP: server.http}
    clients = {name: AsyncVitrine(at, protocol=name, retry=ONCE) for name, at in addresses.items()}
    ground = Ground(
        addresses,
        clients,
        Mix(world, plan.steps, plan.seed),
        random.Random(plan.seed),
        photographs(world.people[0]),
    )
    try:
        await at_once(ground, CROWD)
        await mixed(ground, plan.warm_up_s, plan.rate, tick)
        before = await settled(server)
        times: list[tuple[float, Reading]] = []
        reading = asyncio.create_task(_readings(server, times))
        async with _operated(operator, plan.operate_every_s):
            ends = await mixed(ground, plan.seconds, plan.rate, tick)
        reading.cancel()
        after = await settled(server)
        proof = await at_once(ground, stage("try_on").in_flight)
    finally:
        for client in clients.values():
            await client.close()
    soaked = Soaked(before, after, ends, proof, times)
    return soaked if operator is None else replace(soaked, done=operator.done, failed=operator.failed)


@asynccontextmanager
async def _operated(operator: Operator | None, every_s: float) -> AsyncIterator[None]:
    """Run the operator during the block; its last operation is finished."""
    over = asyncio.Event()
    working = asyncio.create_task(operator.work(every_s, over)) if operator else None
    try:
        yield
    finally:
        over.set()
        if working:
            await working


async def at_once(ground: Ground, count: int) -> dict[str, int]:
    """Return the outcomes of `count` concurrent short requests."""

    async def send(index: int) -> None:
        inputs = dict(ground.mix.inputs(), steps=np.array([1], np.int32))
        await ground.clients[GRPC].infer("try_on", inputs, timeout_s=TIMEOUT_S)

    return words(await closed(count, count, send))


async def mixed(
    ground: Ground, seconds: float, rate: float, tick: Callable[[], object], actors: Sequence[Actor] = ACTORS
) -> Counter[tuple[str, str]]:
    """Run clients of all kinds, `rate` per second; count the outcomes by kind."""
    due = poisson(rate, seconds, np.random.default_rng(ground.dice.randrange(2**32)))
    chosen = ground.dice.choices(actors, [actor.weight for actor in actors], k=len(due))

    async def send(index: int) -> None:
        try:
            await chosen[index](ground)
        except (OSError, EOFError) as error:  # the server has closed a raw connection
            raise VitrineError(f"connection: {error}") from error

    outcomes = await offer(due, send, tick)
    return Counter((actor.name, one.word) for actor, one in zip(chosen, outcomes, strict=True))


async def settled(server: EmbeddedTriton) -> Reading:
    """Read the server when nothing is in flight, or after SETTLE_S."""
    give_up = time.monotonic() + SETTLE_S
    await asyncio.sleep(REST_S)
    while (now := await asyncio.to_thread(read, server)).requests and time.monotonic() < give_up:
        await asyncio.sleep(0.5)
    return now


async def _readings(server: EmbeddedTriton, times: list[tuple[float, Reading]]) -> None:
    start = time.monotonic()
    while True:
        await asyncio.sleep(EVERY_S)
        times.append((time.monotonic() - start, await asyncio.to_thread(read, server)))
