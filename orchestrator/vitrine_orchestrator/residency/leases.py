"""A pipeline's side of the residency: a lease for each call of a model that may be unloaded.

While everything fits, a call costs a look into two dictionaries. Else it costs a message to the owner and its
answer, on a local socket.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from vitrine.errors import Unavailable, from_wire

from vitrine_orchestrator.residency.address import AGAIN_S
from vitrine_orchestrator.residency.movable import SHARED, name_for
from vitrine_orchestrator.wire.arrays import Arrays

OWNER_S = 30.0  # how long a call waits for an owner that is being started
CANCEL = "cancel"  # the input of a request that ends another one
AHEAD = 2  # models that are announced at each call

logger = logging.getLogger(__name__)

CallModel = Callable[[str, str, Arrays], Awaitable[dict[str, np.ndarray]]]
"""Calls a stage under the name by which Triton knows its model."""
Waited = Callable[[str, float], None]
"""Is told the stage, and the seconds that a call of it waited for its model."""


def ignore_wait(stage: str, seconds: float) -> None:
    """Count nothing."""


class OwnerLink:
    """The connection of one process to the owner; it connects again when the owner is started again."""

    def __init__(self, address: str) -> None:
        """`address` is of an abstract socket. `run` must run in the event loop that makes the calls."""
        self._address = address
        self._names: dict[str, str] = {}
        self._free = False
        self._writer: asyncio.StreamWriter | None = None
        self._linked = asyncio.Event()
        self._count = 0
        self._asked: dict[int, asyncio.Future[None]] = {}
        self._calls: dict[int, str] = {}  # calls under way → their model
        self._known: set[int] = set()  # the calls that the owner knows of

    async def run(self) -> None:
        """Stay connected until the task is cancelled."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self._address)
                while line := await reader.readline():
                    self._hear(json.loads(line))
            except (OSError, ValueError):
                logger.debug("the owner of the memory cannot be reached")
            finally:
                self._unlink()
            await asyncio.sleep(AGAIN_S)

    def key(self, stage: str, family: str) -> str | None:
        """The model that a family's call of a stage needs; None if it is always loaded."""
        if stage in self._names:
            return stage
        own = name_for(family)
        return own if stage == SHARED and own in self._names else None

    def known_as(self, model: str) -> str:
        """Triton's name of a model."""
        return self._names[model]

    def soon(self, models: list[str]) -> None:
        """Announce the models that the next calls need."""
        if models and not self._free:
            self._send({"soon": models})

    @property
    def is_linked(self) -> bool:
        """Whether the owner has said what it owns."""
        return self._linked.is_set()

    async def linked(self) -> None:
        """Return when the owner has said what it owns; Unavailable after OWNER_S."""
        try:
            await asyncio.wait_for(self._linked.wait(), OWNER_S)
        except TimeoutError:
            raise Unavailable("the owner of the server's memory does not answer") from None

    @asynccontextmanager
    async def held(self, model: str) -> AsyncIterator[str]:
        """Hold a lease, and yield Triton's name of the model. Raises what the owner refuses with."""
        self._count += 1
        number = self._count
        try:
            if not self._free:
                await self._ask(number, model)
            self._calls[number] = model
            yield self.known_as(model)
        finally:
            self._calls.pop(number, None)
            if number in self._known:
                self._known.discard(number)
                self._send({"back": number})

    async def _ask(self, number: int, model: str) -> None:
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._known.add(number)
            self._send({"ask": number, "model": model})
            await answer
        finally:
            del self._asked[number]

    def _hear(self, said: dict[str, Any]) -> None:
        if "granted" in said:
            if (answer := self._asked.get(said["granted"])) and not answer.done():
                answer.set_result(None)
        elif "refused" in said:
            if (answer := self._asked.get(said["refused"])) and not answer.done():
                answer.set_exception(from_wire(*said["error"]))
        elif "names" in said:
            self._told(said["names"], said["free"])

    def _told(self, names: dict[str, str], free: bool) -> None:
        """Note what the owner owns; tell it the calls that hold no lease, when they need one."""
        began = self._free or not self._linked.is_set()
        self._names, self._free = names, free
        if began and not free:
            for number, model in self._calls.items():
                self._known.add(number)
                self._send({"hold": number, "model": model})
        self._linked.set()

    def _unlink(self) -> None:
        """The owner is gone. Calls under way go on; those that wait for a lease fail."""
        self._linked.clear()
        self._known.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Unavailable("the owner of the server's memory was started again"))

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(message).encode() + b"\n")


class Route:
    """The order of the stages that the requests of one pipeline call, learnt from the last of them."""

    def __init__(self) -> None:
        self._next: dict[str, tuple[str, ...]] = {}

    def after(self, stage: str) -> tuple[str, ...]:
        """The stages that were called next."""
        return self._next.get(stage, ())

    def learn(self, called: list[str]) -> None:
        """Note one request's stages so far, in the order of their first calls."""
        for at, stage in enumerate(called):
            new = tuple(called[at + 1 : at + 1 + AHEAD])
            if self.after(stage)[: len(new)] != new:
                self._next[stage] = new


class LeasedStages:
    """The stages of one request. A call holds a lease of its model, which makes the owner load it."""

    def __init__(
        self, call: CallModel, link: OwnerLink, family: str, route: Route, waited: Waited = ignore_wait
    ) -> None:
        self._call, self._link, self._family = call, link, family
        self._route, self._waited = route, waited
        self._called: list[str] = []

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run the stage."""
        if not self._link.is_linked:
            await self._link.linked()
        self._announce(name)
        model = self._link.key(name, self._family)
        if model is None:
            return await self._call(name, name, inputs)
        if CANCEL in inputs:  # no model is loaded in order to end its work
            return await self._call(name, self._link.known_as(model), inputs)
        start = time.perf_counter()
        async with self._link.held(model) as known_as:
            self._waited(name, time.perf_counter() - start)
            return await self._call(name, known_as, inputs)

    def _announce(self, name: str) -> None:
        """Say what comes after this stage, so that it is loaded while this one computes."""
        if name in self._called:
            return
        self._called.append(name)
        self._route.learn(self._called)
        keys = (self._link.key(stage, self._family) for stage in self._route.after(name))
        self._link.soon([key for key in keys if key is not None])
