"""Restores service when a process dies: Triton 2.51 restarts no stub and goes on calling its model ready.

A network that lost its process is loaded on top of itself, which waits for nothing. A model of ours may
have taken requests with it that Triton never answers, and that other models wait for: it is unloaded first,
which ends only when no such request is there; if it does not end, the server is started anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tritonclient.utils import InferenceServerException
from vitrine.errors import VitrineError

from vitrine_orchestrator.embedded.wheel import STUB
from vitrine_orchestrator.stages import networks

RELOAD_S = 5.0  # a model that cannot be unloaded in that time holds requests of its dead process
INSTANCE = 8  # which argument of a stub is its instance's name: MODEL_INSTANCE_DEVICE

NETWORKS = {row.name for row in networks()}

logger = logging.getLogger(__name__)


class Served(Protocol):
    """What is supervised: EmbeddedTriton, or a test's stand-in."""

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""

    @property
    def pid(self) -> int:
        """The server's process."""

    def loaded(self, name: str) -> bool:
        """Whether the server believes the model to be loaded."""

    def replace(self, name: str) -> None:
        """Load a model on top of itself."""

    def reload(self, name: str, within_s: float) -> bool:
        """Unload and load a model; False when it cannot be unloaded."""

    def restart(self) -> None:
        """Start the server anew."""


class Supervisor:
    """Looks at the server's processes whenever `check` is called."""

    def __init__(self, triton: Served, tell: Callable[[str], None] = logger.warning) -> None:
        """`tell` gets a sentence for each death and each restoration."""
        self.triton, self.tell = triton, tell
        self._known = stubs(triton.pid)

    def check(self) -> None:
        """Reload every model that lost a process; restart the server if it died or a reload hangs."""
        if not self.triton.alive:
            self.tell("tritonserver died: starting it again")
            self._restart()
            return
        running = stubs(self.triton.pid)
        lost = {model for pid, model in self._known.items() if pid not in running}
        self._known = running
        for model in sorted(lost):
            if self.triton.loaded(model):
                self._restore(model)

    def _restore(self, model: str) -> None:
        self.tell(f"a process of {model} died: loading the model again")
        try:
            restored = self._reloaded(model)
        except (VitrineError, InferenceServerException, OSError) as error:
            self.tell(f"{model} could not be loaded again: {error}")
            restored = False
        if restored:
            self._known = stubs(self.triton.pid)
            self.tell(f"{model} is back")
        else:
            self.tell(f"{model} holds what it cannot give back: starting tritonserver again")
            self._restart()

    def _reloaded(self, model: str) -> bool:
        if model not in NETWORKS:
            return self.triton.reload(model, RELOAD_S)
        self.triton.replace(model)
        return True

    def _restart(self) -> None:
        self.triton.restart()
        self._known = stubs(self.triton.pid)
        self.tell("tritonserver is back")


def stubs(server: int) -> dict[int, str]:
    """The living Python backend processes of a server: process → model."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()  # state, parent, ...
            if int(fields[1]) != server or fields[0] == "Z":
                continue
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if Path(arguments[0].decode()).name == STUB and len(arguments) > INSTANCE:
            found[int(folder.name)] = arguments[INSTANCE].decode().rsplit("_", 2)[0]
    return found
