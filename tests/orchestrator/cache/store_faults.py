"""Faults of an object store, each a hook for SimulatedS3: `Times(n, fault, ...)` says how often."""

import asyncio
import socket
import struct

from vitrine_measure.cache.simulated_s3 import CutOff, error, head


class Times:
    """Meets the first `count` matching requests with `fault`; counts all matching ones in `seen`."""

    def __init__(self, count, fault, method="GET", path=""):
        self.count, self.fault, self.method, self.path = count, fault, method, path
        self.seen = 0

    async def __call__(self, request, response, writer):
        if request.method != self.method or self.path not in request.path:
            return
        self.seen += 1
        if self.seen <= self.count:
            await self.fault(request, response, writer)


ALWAYS = 10**9


def status(code, word):
    """Answer with this status and error code."""

    async def fault(request, response, writer):
        answer = error(code, word)
        response.status, response.body, response.headers = answer.status, answer.body, answer.headers

    return fault


async def no_answer(request, response, writer):
    """Never answer."""
    await asyncio.sleep(3600)


async def stall(request, response, writer):
    """Send the headers and half of the body, then nothing."""
    writer.write(head(response) + response.body[: len(response.body) // 2])
    await asyncio.sleep(3600)


async def drip(request, response, writer):
    """Send one byte of the body every 50 ms."""
    writer.write(head(response))
    for at in range(len(response.body)):
        writer.write(response.body[at : at + 1])
        await writer.drain()
        await asyncio.sleep(0.05)


async def cut(request, response, writer):
    """Close the connection in the middle of the body."""
    writer.write(head(response) + response.body[: len(response.body) // 2])
    await writer.drain()
    raise CutOff


async def reset(request, response, writer):
    """Reset the connection (RST) before any answer."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    raise CutOff


async def flip(request, response, writer):
    """One bit of the body is wrong, lengths and tags are right."""
    if response.body:
        response.body = response.body[:-1] + bytes([response.body[-1] ^ 1])


async def shorten(request, response, writer):
    """The body lacks its last byte and the length agrees with that."""
    response.body = response.body[:-1]
