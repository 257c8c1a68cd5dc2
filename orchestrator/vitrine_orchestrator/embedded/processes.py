"""Lists a server's Python backend processes (stubs): those that run, and those that died.

Triton reaps a process that it stopped itself within a millisecond (measured on 2.51). It does not reap one
that died: that one stays in the process table as a zombie until its model is loaded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitrine_orchestrator.embedded.wheel import STUB

VERSION, INSTANCE = 1, 8  # arguments of a stub: REPOSITORY/MODEL/VERSION/FILE, and MODEL_INSTANCE_DEVICE
NAME_BYTES = 15  # the kernel truncates process names to this
STATE, PARENT, STARTED = 0, 1, 19  # fields of /proc/PID/stat, counted after the name


@dataclass(frozen=True)
class Slot:
    """What a process serves: one instance of one version of a model."""

    model: str
    version: str
    instance: str


@dataclass(frozen=True)
class Stub:
    """One process; `slot` is None for one that is starting, is being ended, or has ended."""

    slot: Slot | None
    ended: bool
    started: int  # clock ticks since boot
    stopped: bool = False  # by SIGSTOP


def look(server: int) -> dict[int, Stub]:
    """Every stub process of a server, by process id; the ended ones are zombies."""
    return {
        int(folder.name): stub for folder in Path("/proc").glob("[0-9]*") for stub in _read(folder, server)
    }


def stubs(server: int) -> dict[int, str]:
    """The running stub processes of a server: process id → model."""
    return {pid: stub.slot.model for pid, stub in look(server).items() if stub.slot and not stub.ended}


def _read(folder: Path, server: int) -> Iterator[Stub]:
    """The stub in a folder of /proc, or nothing."""
    try:
        name, _, rest = (folder / "stat").read_bytes().decode(errors="replace").rpartition(")")
        fields = rest.split()
        if int(fields[PARENT]) != server:
            return
        arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return  # the process ended meanwhile
    started = int(fields[STARTED])
    ended = fields[STATE] in "ZX"
    if ended or not arguments[0]:  # a zombie has no arguments, nor has one whose memory the kernel frees
        if name.partition("(")[2] == STUB[:NAME_BYTES]:
            yield Stub(None, ended, started)
    elif Path(arguments[0]).name == STUB and len(arguments) > INSTANCE:
        instance = arguments[INSTANCE]
        version = Path(arguments[VERSION]).parent.name
        stopped = fields[STATE] == "T"  # a debugger's is t
        yield Stub(Slot(instance.rsplit("_", 2)[0], version, instance), False, started, stopped)
