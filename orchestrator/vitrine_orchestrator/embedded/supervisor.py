"""Restores service when a process dies: Triton 2.51 restarts no stub, and still reports its model as ready.

A stub that Triton stopped on purpose (by a load, an unload or the removal of a release) is not a death. A
death is a stub that ended, that Triton has not reaped, whose version Triton still reports as ready, and that
no later stub of the same instance replaces. Every check tests all four, whenever it runs.

A network that lost its process is loaded again without an unload, which never blocks. A Python model may have
held requests that Triton never answers, and that other models wait for. So it is unloaded first, which ends
only if there is no such request; if it does not end, the server is started again. The server is also started
again if a process dies with requests while Triton waits for it to finish (after a reload or an unload).
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from tritonclient.utils import InferenceServerException
from vitrine.errors import VitrineError

from vitrine_orchestrator.embedded.processes import Stub, look
from vitrine_orchestrator.stages import STAGES, networks

__all__ = ["SupervisedServer", "Supervisor", "lost_models"]

RELOAD_S = 5.0  # an unload that takes longer waits for requests of the dead process
COLLECT_S = 0.3  # Triton reaps a process that it stopped faster than this, even on a busy machine
STOPPED_S = 5.0  # a process that is stopped for longer is ended, and then restored
HELD_S = 15.0  # a dead process that is not reaped for this long holds requests that never end
UNLOADED_S = 15.0  # a model without process for longer was unloaded on purpose; a shutdown takes less
PAUSES_S = (1.0, 5.0, 30.0)  # backoff before starting a server again that did not start; the last one repeats

NETWORKS = {row.name for row in networks()}
HAVE_STUBS = {row.name for row in STAGES}  # the embedded server runs all stages in the Python backend

logger = logging.getLogger(__name__)
Version = tuple[str, str]  # model, version


class SupervisedServer(Protocol):
    """The server that is supervised: EmbeddedTriton, or a fake in tests."""

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""

    @property
    def pid(self) -> int:
        """The process id of the server."""

    @property
    def models(self) -> Collection[str]:
        """The models that the server loads when it starts."""

    def ready(self) -> set[Version]:
        """The versions that the server reports as ready."""

    def loading(self) -> set[str]:
        """The models that the server is loading."""

    def replace(self, name: str) -> None:
        """Load a model again without unloading it."""

    def reload(self, name: str, within_s: float) -> bool:
        """Unload and load a model; False if it cannot be unloaded within `within_s` seconds."""

    def restart(self, models: Iterable[str]) -> None:
        """Start the server again with these models."""


class Supervisor:
    """Checks the server's processes, and restores them, at each call of `check`."""

    def __init__(
        self,
        triton: SupervisedServer,
        report: Callable[[str], None] = logger.warning,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`report` receives a sentence for each death and each restoration."""
        self.triton, self.report, self._clock = triton, report, clock
        self._known: dict[int, Stub] = {}
        self._seen_at: dict[str, float] = {}  # model → time at which it last had a process
        self._ended_at: dict[int, float] = {}  # zombie process → time at which it was first seen
        self._stopped_at: dict[int, float] = {}  # the same for a process stopped by SIGSTOP
        self._failed, self._not_before = 0, 0.0  # failed starts in a row, and the time of the next start
        self._look()

    def check(self) -> None:
        """Reload every model that lost a process; restart the server if it died or a reload hangs."""
        if not self.triton.alive:
            if self._clock() >= self._not_before:
                self.report("tritonserver died: starting it again")
                self._restart()
            return
        self._end_stopped()
        for model in sorted(self._lost()):
            if not self._restore(model):
                return  # the restart has restored the other models
        if holder := self._holder():
            self._free(holder)

    def _look(self) -> None:
        """Update `_known`; a process that ended, or is being ended, keeps the slot in which it was seen."""
        now, before = look(self.triton.pid), self._known
        self._known = {
            pid: replace(stub, slot=before[pid].slot) if stub.slot is None and pid in before else stub
            for pid, stub in now.items()
        }
        at = self._clock()
        self._seen_at |= {stub.slot.model: at for stub in self._known.values() if stub.slot}
        ended = (pid for pid, stub in self._known.items() if stub.ended)
        self._ended_at = {pid: self._ended_at.get(pid, at) for pid in ended}
        stopped = (pid for pid, stub in self._known.items() if stub.stopped)
        self._stopped_at = {pid: self._stopped_at.get(pid, at) for pid in stopped}

    def _end_stopped(self) -> None:
        """End what is stopped for long: Triton refuses its model's requests, and calls the model ready."""
        now = self._clock()
        for pid, at in self._stopped_at.items():
            if now - at > STOPPED_S:
                slot = self._known[pid].slot
                self.report(
                    f"a process of {slot.model if slot else 'a model'} was stopped (SIGSTOP): ending it"
                )
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

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
            ready &= self.triton.ready()  # ready before and after, so no load or unload came in between
        except InferenceServerException:
            return set()  # the server is ending or too busy; the next check tries again
        known = {pid: stub for pid, stub in self._known.items() if not stub.ended or pid in ended}
        return lost_models(known.values(), ready)

    def _holder(self) -> str | None:
        """A Python model (no network) with a process that died more than HELD_S ago and is not reaped."""
        now = self._clock()
        for pid, at in self._ended_at.items():
            slot = self._known[pid].slot
            if slot and slot.model not in NETWORKS and now - at > HELD_S:
                return slot.model
        return None

    def _free(self, model: str) -> None:
        """End the requests of a dead process that was replaced, or whose model is being unloaded."""
        try:
            ready = {name for name, _ in self.triton.ready()}
            if model in self.triton.loading():  # a load that never ends, and holds no request
                return
        except InferenceServerException:
            return
        if model not in ready:
            self._seen_at[model] = float("-inf")  # unloaded on purpose, so the restart must not load it
        self.report(f"an old process of {model} died with requests: starting tritonserver again")
        self._restart()

    def _restore(self, model: str) -> bool:
        """Load a model again; False if the server had to be started again instead."""
        self.report(f"a process of {model} died: loading the model again")
        try:
            restored = self._reloaded(model)
        except (VitrineError, InferenceServerException, OSError) as error:
            self.report(f"{model} could not be loaded again: {error}")
            restored = False
        if restored:
            self.report(f"{model} is back")
        else:
            self.report(f"{model} holds what it cannot give back: starting tritonserver again")
            self._restart()
        return restored

    def _reloaded(self, model: str) -> bool:
        if model not in NETWORKS:
            return self.triton.reload(model, RELOAD_S)
        self.triton.replace(model)
        return True

    def _restart(self) -> None:
        """Start the server again; if it cannot start, a later check tries again."""
        try:
            self.triton.restart(self._wanted())
        except (VitrineError, InferenceServerException, OSError) as error:
            pause = PAUSES_S[min(self._failed, len(PAUSES_S) - 1)]
            self._failed, self._not_before = self._failed + 1, self._clock() + pause
            self.report(f"tritonserver could not be started: {error}; the next try is in {pause:.0f} s")
            return
        self._failed = 0
        self._look()
        self.report("tritonserver is back")

    def _wanted(self) -> list[str]:
        """The models to serve: without those an operator unloaded, with those an operator loaded."""
        last = max(self._seen_at.values(), default=0.0)
        recent = {model for model, at in self._seen_at.items() if last - at < UNLOADED_S}
        return sorted(recent | (set(self.triton.models) - self._seen_at.keys()))


def lost_models(known: Collection[Stub], ready: Collection[Version]) -> set[str]:
    """The models that lost a process, given all processes and the versions that Triton reports as ready.

    If a dead process has no slot (it was never seen alive), every ready version without a process counts.
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
