"""Restores service when a process dies: Triton 2.51 restarts no stub and goes on calling its model ready.

A stub that Triton stopped on purpose (a load, an unload, a release that goes) is no death. A death is a stub
that ended, that Triton has not collected, whose version Triton still calls ready, and that no later stub of
the same instance replaces. All four are looked at on every check, so that nothing depends on its moment.

A network that lost its process is loaded on top of itself, which waits for nothing. A model of ours may
have taken requests with it that Triton never answers, and that other models wait for: it is unloaded first,
which ends only when no such request is there; if it does not end, the server is started again. So it is when
a process dies that was to end anyway, once its requests had ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Protocol

from tritonclient.utils import InferenceServerException
from vitrine.errors import VitrineError

from vitrine_orchestrator.embedded.processes import Stub, look, stubs
from vitrine_orchestrator.stages import STAGES, networks

__all__ = ["Served", "Supervisor", "lost_models", "stubs"]

RELOAD_S = 5.0  # a model that cannot be unloaded in that time holds requests of its dead process
COLLECT_S = 0.3  # Triton collects a process that it stopped in less, on a busy machine too
HELD_S = 15.0  # a dead process that Triton has not collected by then holds requests that never end
UNLOADED_S = 15.0  # a model gone for longer was unloaded on purpose; a server that shuts down needs less
PAUSES_S = (1.0, 5.0, 30.0)  # before a server that did not start is tried again; the last one repeats

NETWORKS = {row.name for row in networks()}
HAVE_STUBS = {row.name for row in STAGES}  # the embedded server runs each of them in the Python backend

logger = logging.getLogger(__name__)
Version = tuple[str, str]  # model, version


class Served(Protocol):
    """What is supervised: EmbeddedTriton, or a test's stand-in."""

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""

    @property
    def pid(self) -> int:
        """The server's process."""

    @property
    def models(self) -> Collection[str]:
        """What it loads when it starts."""

    def ready(self) -> set[Version]:
        """The versions that the server believes it can serve."""

    def replace(self, name: str) -> None:
        """Load a model on top of itself."""

    def reload(self, name: str, within_s: float) -> bool:
        """Unload and load a model; False when it cannot be unloaded."""

    def restart(self, models: Iterable[str]) -> None:
        """Start the server again with these models."""


class Supervisor:
    """Looks at the server's processes whenever `check` is called."""

    def __init__(
        self,
        triton: Served,
        tell: Callable[[str], None] = logger.warning,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tell` gets a sentence for each death and each restoration."""
        self.triton, self.tell, self._clock = triton, tell, clock
        self._known: dict[int, Stub] = {}
        self._seen_at: dict[str, float] = {}  # model → when it last had a process
        self._ended_at: dict[int, float] = {}  # process that Triton has not collected → when that was seen
        self._failed, self._not_before = 0, 0.0  # starts of the server that failed in a row
        self._look()

    def check(self) -> None:
        """Reload every model that lost a process; restart the server if it died or a reload hangs."""
        if not self.triton.alive:
            if self._clock() >= self._not_before:
                self.tell("tritonserver died: starting it again")
                self._restart()
            return
        for model in sorted(self._lost()):
            if not self._restore(model):
                return  # the restart has restored the others
        if holder := self._holder():
            self._free(holder)

    def _look(self) -> None:
        """Bring `_known` up to date; a process that ended keeps the slot that it was seen in."""
        now, before = look(self.triton.pid), self._known
        self._known = {
            pid: replace(stub, slot=before[pid].slot) if stub.ended and pid in before else stub
            for pid, stub in now.items()
        }
        at = self._clock()
        self._seen_at |= {stub.slot.model: at for stub in self._known.values() if stub.slot}
        ended = (pid for pid, stub in self._known.items() if stub.ended)
        self._ended_at = {pid: self._ended_at.get(pid, at) for pid in ended}

    def _lost(self) -> set[str]:
        """The models that lost a process for good."""
        self._look()
        ended = {pid for pid, stub in self._known.items() if stub.ended}
        if not ended:
            return set()
        time.sleep(COLLECT_S)
        try:
            ready = self.triton.ready()
            self._look()
            ready &= self.triton.ready()  # before and after: no load or unload came in between
        except InferenceServerException:
            return set()  # it is ending, or too busy to say: the next check asks again
        known = {pid: stub for pid, stub in self._known.items() if not stub.ended or pid in ended}
        return lost_models(known.values(), ready)

    def _holder(self) -> str | None:
        """A model of ours that Triton still waits for, long after its process died and was replaced."""
        now = self._clock()
        for pid, at in self._ended_at.items():
            slot = self._known[pid].slot
            if slot and slot.model not in NETWORKS and now - at > HELD_S:
                return slot.model
        return None

    def _free(self, model: str) -> None:
        """End the requests of a process that was to end: of one replaced, or of a model being unloaded."""
        try:
            ready = {name for name, _ in self.triton.ready()}
        except InferenceServerException:
            return
        if model not in ready:
            self._seen_at[model] = float("-inf")  # unloaded on purpose, and so it stays
        self.tell(f"an old process of {model} died with requests: starting tritonserver again")
        self._restart()

    def _restore(self, model: str) -> bool:
        """Load a model again; False when the server had to be started again for it."""
        self.tell(f"a process of {model} died: loading the model again")
        try:
            restored = self._reloaded(model)
        except (VitrineError, InferenceServerException, OSError) as error:
            self.tell(f"{model} could not be loaded again: {error}")
            restored = False
        if restored:
            self.tell(f"{model} is back")
        else:
            self.tell(f"{model} holds what it cannot give back: starting tritonserver again")
            self._restart()
        return restored

    def _reloaded(self, model: str) -> bool:
        if model not in NETWORKS:
            return self.triton.reload(model, RELOAD_S)
        self.triton.replace(model)
        return True

    def _restart(self) -> None:
        """Start the server again; one that cannot start is tried again by a later check."""
        try:
            self.triton.restart(self._wanted())
        except (VitrineError, InferenceServerException, OSError) as error:
            pause = PAUSES_S[min(self._failed, len(PAUSES_S) - 1)]
            self._failed, self._not_before = self._failed + 1, self._clock() + pause
            self.tell(f"tritonserver could not be started: {error}; the next try is in {pause:.0f} s")
            return
        self._failed = 0
        self._look()
        self.tell("tritonserver is back")

    def _wanted(self) -> list[str]:
        """What was served: without the models that an operator unloaded, with those that one loaded."""
        last = max(self._seen_at.values(), default=0.0)
        recent = {model for model, at in self._seen_at.items() if last - at < UNLOADED_S}
        return sorted(recent | (set(self.triton.models) - self._seen_at.keys()))


def lost_models(known: Collection[Stub], ready: Collection[Version]) -> set[str]:
    """The models that need a process, given all processes and the versions that Triton calls ready.

    A process that was never seen alive has no slot: then every ready version without a process has lost it.
    """
    newest: dict[object, int] = {}
    for stub in known:
        if stub.slot and not stub.ended:
            newest[stub.slot] = max(stub.started, newest.get(stub.slot, 0))
    ended = [stub for stub in known if stub.ended]
    lost = {
        stub.slot.model
        for stub in ended
        if stub.slot
        and (stub.slot.model, stub.slot.version) in ready
        and newest.get(stub.slot, -1) < stub.started
    }
    if all(stub.slot for stub in ended):
        return lost
    living = {(stub.slot.model, stub.slot.version) for stub in known if stub.slot and not stub.ended}
    served = HAVE_STUBS | {stub.slot.model for stub in known if stub.slot}
    return lost | {model for model, version in set(ready) - living if model in served}
