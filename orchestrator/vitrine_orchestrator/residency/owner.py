"""The owner of a memory: takes part in no inference, decides by the policy, loads and unloads.

Pipelines ask it over a local socket, a line of JSON a message. A connection that ends gives all its leases
back, so the death of a pipeline's process leaves nothing pinned.

    pipeline → owner   {"ask": id, "model": name}     {"back": id}     {"soon": [name, ...]}
                       {"hold": id, "model": name}    a call that began while all models fitted
    owner → pipeline   {"granted": id}     {"refused": id, "error": [code, text]}
                       {"names": {model: its name in Triton}, "free": whether all fit, so that nobody asks}

Networks' processes that can give memory back while they stay (resting.py) say so on the same socket.

    network → owner    {"network": its name in Triton, "takes": bytes at rest}     {"rested": bytes}
    owner → network    {"rest": true}
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from vitrine.errors import VitrineError, to_wire

from vitrine_orchestrator.residency.meter import Meter, Reading
from vitrine_orchestrator.residency.networks import Networks
from vitrine_orchestrator.residency.others import READY, Others
from vitrine_orchestrator.residency.policy import Residency
from vitrine_orchestrator.residency.resident import Key
from vitrine_orchestrator.residency.shown import shown

BUSY_TICK_S, IDLE_TICK_S = 0.25, 2.0
"""Between two measurements: while somebody waits or memory is short, and else."""
START_TICK_S = 0.2  # between two looks whether the server has started
COMPARE_S = 1.0  # between two looks at what others have loaded and unloaded

logger = logging.getLogger(__name__)


class Loader(Protocol):
    """Loads and unloads models; all methods block."""

    def load(self, name: str) -> float | None:
        """Load a model; the seconds that it took, or None if that name can never be loaded again."""

    def unload(self, name: str) -> None:
        """Unload a model and return when its memory is free."""

    def states(self) -> dict[str, str]:
        """Triton's word for each model that is or was loaded."""


class Owner:
    """Runs a residency on a server."""

    def __init__(
        self,
        residency: Residency,
        loader: Loader,
        meter: Meter,
        names: Callable[[str, int], str],
        keep: Callable[[Residency], None] = lambda residency: None,
    ) -> None:
        """names: makes a model known to Triton, and returns the name by which Triton loads it for the n-th
        time, after names that were lost. keep: saves what was measured.
        """
        self.residency, self._loader, self._meter = residency, loader, meter
        self._name_of, self._keep = names, keep
        self._times = dict.fromkeys(residency.models, 0)
        self.names: dict[str, str] = {}
        self.lost: list[str] = []  # names that Triton keeps for what never ends
        self.load_seconds = self.waiting_seconds = 0.0
        self._waited_from: float | None = None  # when somebody began to wait, or the last step since then
        self.ready = False  # whether the first loads are done
        self._pipes: dict[int, asyncio.StreamWriter] = {}
        self._networks = Networks(residency, self._send)
        self._others = Others(residency)
        self._told: dict[str, Any] = {}
        self._work: set[asyncio.Task[None]] = set()

    async def run(self, address: str) -> None:
        """Own the memory until the task is cancelled; `address` is the socket's."""
        await self._adopt()
        place = socket.socket(socket.AF_UNIX)
        place.bind(address)
        async with await asyncio.start_unix_server(self._serve, sock=place):
            await asyncio.gather(
                self._every(self._pause_s, self._measure), self._every(lambda: COMPARE_S, self._compare)
            )

    async def _every(self, pause_s: Callable[[], float], look: Callable[[], Awaitable[None]]) -> None:
        """Look, and act on it, after each pause."""
        while True:
            try:
                await look()
                self._step()
            except Exception:
                logger.exception("the owner of the memory failed to look")
            await asyncio.sleep(pause_s())

    def state(self) -> dict[str, Any]:
        """The budget and every model's place, for people; any thread may call it."""
        return shown(self.residency, self.names) | {"ready": self.ready, "lost": self.lost}

    async def _adopt(self) -> None:
        """Wait for the server, and take over what is loaded."""
        while True:
            try:
                states = await asyncio.to_thread(self._loader.states)
                break
            except VitrineError:
                await asyncio.sleep(START_TICK_S)
        reading = await asyncio.to_thread(self._meter.read)
        for name in self.residency.models:
            while states.get(self._name_of(name, self._times[name])) == "LOADING":  # for ever: see control.py
                self.lost.append(self._name_of(name, self._times[name]))
                self._times[name] += 1
            self.names[name] = self._name_of(name, self._times[name])
            if states.get(self.names[name]) == READY:
                self.residency.loaded(name, taken=reading.peaks.get(self.names[name], 0))

    def _pause_s(self) -> float:
        return IDLE_TICK_S if self.residency.all_fit and self.ready else BUSY_TICK_S

    async def _measure(self) -> None:
        """Tell the policy what everything takes."""
        reading = await asyncio.to_thread(self._meter.read)
        models = self.residency.models
        if self._meter.by_model:
            ours = sum(reading.models.get(self.names[name], 0) for name in models)
            taken = {name: reading.peaks.get(self.names[name], 0) for name in models}
        else:
            ours, taken = self.residency.taken_bytes, {}
        self.residency.measured(max(reading.total - ours, 0), taken)
        self._keep(self.residency)

    async def _compare(self) -> None:
        """Note what others have loaded and unloaded; the policy then makes room, or loads again for calls."""
        before, names = self._others.still(), dict(self.names)
        try:
            states = await asyncio.to_thread(self._loader.states)
        except VitrineError:
            return  # the server is busy: the next look tells
        if not self._others.moved(before, states, names):
            return
        reading = await asyncio.to_thread(self._meter.read, anew=True)
        for name, inside in self._others.moved(before, states, names).items():
            if inside:
                logger.warning("model %s was loaded by others", name)
                self.residency.loaded(name, taken=reading.peaks.get(names[name], 0))
            else:
                logger.warning("model %s was unloaded by others", name)
                self.residency.unloaded(name)

    def _step(self) -> None:
        """Do what the policy decides, and tell the pipelines."""
        decisions = self.residency.decide()
        self._count_waiting()
        for pipe, number in decisions.granted:
            self._send(pipe, {"granted": number})
        for (pipe, number), error in decisions.refused:
            self._send(pipe, {"refused": number, "error": to_wire(error)})
        for name in decisions.rest:
            self._start(self._networks.rest(name))
        for name in decisions.unload:
            self._start(self._unload(name))
        for name in decisions.load:
            self._start(self._load(name))
        self.ready = self.ready or not (decisions.load or decisions.unload or decisions.rest or self._work)
        self._tell()

    def _count_waiting(self) -> None:
        """Add the time since the last step, if somebody waited for a model in it."""
        now = time.monotonic()
        if self._waited_from is not None:
            self.waiting_seconds += now - self._waited_from
        self._waited_from = now if self.residency.waiting else None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled():
            if error := task.exception():
                logger.error("a load or an unload failed", exc_info=error)
            self._step()

    async def _load(self, name: str) -> None:
        self._others.begin(name)
        before, start = await asyncio.to_thread(self._meter.read), time.monotonic()
        try:
            seconds = await asyncio.to_thread(self._loader.load, self.names[name])
        except Exception as error:
            logger.warning("model %s could not be loaded: %s", name, error)
            self.residency.load_failed(name, str(error) or type(error).__name__)
        else:
            await self._took(name, seconds, before)
        self.load_seconds += time.monotonic() - start

    async def _took(self, name: str, seconds: float | None, before: Reading) -> None:
        """Note a load that ended, and what the model takes; `before` was read before the load."""
        if seconds is None:
            self._rename(name)
            self.residency.load_failed(name, "its process was killed")
        else:
            after = await asyncio.to_thread(self._meter.read, anew=True)
            grown = max(after.total - before.total, 0)
            taken = after.peaks.get(self.names[name], 0) if self._meter.by_model else grown
            self.residency.loaded(name, seconds, taken)

    async def _unload(self, name: str) -> None:
        self._others.begin(name)
        try:
            await asyncio.to_thread(self._loader.unload, self.names[name])
        except VitrineError as error:  # its requests do not end: another name is free
            logger.warning("model %s could not be unloaded: %s", name, error)
            self._rename(name)
        self.residency.unloaded(name)

    def _rename(self, name: str) -> None:
        """Give up the name by which Triton knows a model, which it keeps for something that never ends."""
        self.lost.append(self.names[name])
        self._times[name] += 1
        self.names[name] = self._name_of(name, self._times[name])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one pipeline's process until its connection ends."""
        if _user_of(writer.get_extra_info("socket")) != os.getuid():
            writer.close()
            return
        pipe = id(writer)
        self._pipes[pipe] = writer
        self._send(pipe, self._told)
        held: set[Key] = set()
        try:
            while line := await reader.readline():
                self._hear(pipe, json.loads(line), held)
        except (ConnectionError, ValueError):
            logger.warning("a pipeline's connection broke")
        finally:
            del self._pipes[pipe]
            self._networks.left(pipe)
            for key in held:
                self.residency.give_back(key)
            self._step()
            writer.close()

    def _hear(self, pipe: int, said: dict[str, Any], held: set[Key]) -> None:
        """Act on one message."""
        if "ask" in said:
            held.add(key := (pipe, said["ask"]))
            self.residency.ask(key, said["model"])
        elif "back" in said:
            held.discard(key := (pipe, said["back"]))
            self.residency.give_back(key)
        elif "hold" in said:
            held.add(key := (pipe, said["hold"]))
            self.residency.hold(key, said["model"])
        elif "soon" in said:
            self.residency.announce(said["soon"])
        elif "network" in said or "rested" in said:
            self._networks.hear(pipe, said, self.names)
        self._step()

    def _tell(self) -> None:
        """Tell all pipelines the models' names and whether all fit, if that has changed."""
        now = {"names": dict(self.names), "free": self.residency.all_fit}
        if now != self._told:
            self._told = now
            for pipe in self._pipes:
                self._send(pipe, now)

    def _send(self, pipe: int, message: dict[str, Any]) -> None:
        if writer := self._pipes.get(pipe):
            writer.write(json.dumps(message).encode() + b"\n")


def _user_of(pipe: Any) -> int:
    """The user id of the process at the other end."""
    credentials = pipe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
