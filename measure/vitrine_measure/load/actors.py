"""Clients of all kinds: some wait for their picture, others cancel, are slow, or send invalid data."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

import numpy as np
from vitrine import AsyncVitrine
from vitrine.errors import Cancelled
from vitrine.retry import Retry

from vitrine_measure.load import photographs
from vitrine_measure.load.malformed import malformed, noise
from vitrine_measure.load.wire import Wire
from vitrine_measure.load.world import Mix

ONCE = Retry(tries=1)  # no retries, because a load counts refusals
TIMEOUT_S = 120.0
SLOW_BYTES_PER_S = 60_000  # an uplink of 0.5 Mbit/s: a picture takes a second
LEAVES_WITHIN_S = 1.0  # time after sending within which a client leaves
HTTP, GRPC = "http", "grpc"


@dataclass(frozen=True)
class Ground:
    """What clients share: the addresses of the server, and the mix of requests."""

    addresses: dict[str, str]  # host:port by protocol
    clients: dict[str, AsyncVitrine]  # clients by protocol, used by actors without faults
    mix: Mix
    dice: random.Random
    photographs: tuple[bytes, ...]  # encoded pictures of people, 4 to 12 MB each


async def waits(ground: Ground, protocol: str) -> None:
    """Wait for the picture."""
    await ground.clients[protocol].infer("try_on", ground.mix.inputs(), timeout_s=TIMEOUT_S)


async def photographs_by_curl(ground: Ground, protocol: str) -> None:
    """Send a large photograph of a person with curl."""
    inputs = dict(ground.mix.inputs(), person=np.array([ground.dice.choice(ground.photographs)], object))
    await photographs.send(ground.addresses[protocol], "try_on", inputs, "seed", TIMEOUT_S)


async def waits_on_slow_connection(ground: Ground, protocol: str) -> None:
    """Send and receive at the speed of a mobile connection."""
    async with Wire(ground.addresses[protocol], SLOW_BYTES_PER_S) as wire, _client(wire, protocol) as client:
        await client.infer("try_on", ground.mix.inputs(), timeout_s=TIMEOUT_S)


async def cancels(ground: Ground, protocol: str) -> None:
    """Cancel the request, as a closed page does."""
    asked = asyncio.create_task(waits(ground, protocol))
    await asyncio.wait([asked], timeout=ground.dice.uniform(0, LEAVES_WITHIN_S))
    if not asked.cancel():
        return await asked
    with suppress(asyncio.CancelledError):
        await asked
    raise Cancelled("the client gave up")


async def resets(ground: Ground, protocol: str) -> None:
    """Reset the connection during the request."""
    async with Wire(ground.addresses[protocol]) as wire, _client(wire, protocol) as client:
        asked = asyncio.create_task(client.infer("try_on", ground.mix.inputs(), timeout_s=TIMEOUT_S))
        await asyncio.wait([asked], timeout=ground.dice.uniform(0, LEAVES_WITHIN_S))
        wire.cut()
        await asked


async def streams(ground: Ground, protocol: str) -> None:
    """Read a stream; every second client cancels it at some event."""
    stays = ground.dice.choice((1, 2, 10**6, 10**6))
    inputs = ground.mix.options()
    async with aclosing(ground.clients[protocol].try_on_stream(**inputs, timeout_s=TIMEOUT_S)) as events:
        async for _ in events:
            stays -= 1
            if not stays:
                raise Cancelled("the client left the stream")


async def sends_random_tensors(ground: Ground, protocol: str) -> None:
    """Send random tensors."""
    model, inputs = malformed(ground.dice)
    await ground.clients[protocol].infer(model, inputs, timeout_s=TIMEOUT_S)


async def sends_noise(ground: Ground, protocol: str) -> None:
    """Send bytes that are no request, wait briefly, and disconnect."""
    host, _, port = ground.addresses[protocol].rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(noise(ground.dice))
    with suppress(ConnectionError):
        await writer.drain()
    await asyncio.sleep(ground.dice.uniform(0, 0.3))
    writer.transport.abort()


@dataclass(frozen=True)
class Actor:
    """One kind of client: its share of the load, and the allowed outcomes of its requests."""

    name: str
    act: Callable[[Ground, str], Awaitable[None]]
    protocol: str
    weight: float
    ends: frozenset[str]

    async def __call__(self, ground: Ground) -> None:
        """Run one client."""
        await self.act(ground, self.protocol)


SERVED = frozenset({"done", "busy"})
LEFT = SERVED | {"cancelled", "unavailable"}
REFUSED = SERVED | {"bad request", "not found"}

ACTORS = (
    Actor("waits, gRPC", waits, GRPC, 6, SERVED),
    Actor("waits, HTTP", waits, HTTP, 3, SERVED),
    Actor("photograph, curl", photographs_by_curl, HTTP, 0.7, SERVED),
    Actor("slow, gRPC", waits_on_slow_connection, GRPC, 0.7, SERVED),
    Actor("slow, HTTP", waits_on_slow_connection, HTTP, 0.7, SERVED),
    Actor("streams", streams, GRPC, 2, LEFT),
    Actor("gives up", cancels, GRPC, 2, LEFT),
    Actor("vanishes, gRPC", resets, GRPC, 1.5, LEFT),
    Actor("vanishes, HTTP", resets, HTTP, 1.5, LEFT),
    Actor("malformed, gRPC", sends_random_tensors, GRPC, 1.5, REFUSED),
    Actor("malformed, HTTP", sends_random_tensors, HTTP, 1.5, REFUSED),
    Actor("noise, gRPC", sends_noise, GRPC, 0.7, SERVED),
    Actor("noise, HTTP", sends_noise, HTTP, 0.7, SERVED),
)
"""The kinds of clients; `ends` are the outcomes that are not faults of the server."""


def _client(wire: Wire, protocol: str) -> AsyncVitrine:
    return AsyncVitrine(wire.address, protocol=protocol, retry=ONCE)
