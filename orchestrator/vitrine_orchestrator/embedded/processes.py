"""The Python backend's processes of a server: which run, and which ended without the server's doing.

Triton collects a process that it stopped itself at once (within a millisecond, measured on 2.51). It does not
collect one that died: that one stays in the process table as a zombie until its model is loaded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitrine_orchestrator.embedded.wheel import STUB

VERSION, INSTANCE = 1, 8  # arguments of a stub: REPOSITORY/MODEL/VERSION/FILE, and MODEL_INSTANCE_DEVICE
NAME_BYTES = 15  # the kernel keeps so much of a process's name
STATE, PARENT, STARTED = 0, 1, 19  # fields of /proc/PID/stat, counted after the name


@dataclass(frozen=True)
class Slot:
    """The place in Triton that a process fills: one instance of one version of a model."""

    model: str
    version: str
    instance: str


@dataclass(frozen=True)
class Stub:
    """One process; `slot` is None for one that had ended before it was first seen."""

    slot: Slot | None
    ended: bool
    started: int  # in ticks since the machine started


def look(server: int) -> dict[int, Stub]:
    """Every stub process of a server, by process id; Triton has not collected those that ended."""
    return {
        int(folder.name): stub for folder in Path("/proc").glob("[0-9]*") for stub in _read(folder, server)
    }


def stubs(server: int) -> dict[int, str]:
    """The living stub processes of a server: process id → model."""
    return {pid: stub.slot.model for pid, stub in look(server).items() if stub.slot and not stub.ended}


def _read(folder: Path, server: int) -> Iterator[Stub]:
    """The stub in a folder of /proc, or nothing."""
    try:
        name, _, rest = (folder / "stat").read_text().rpartition(")")
        fields = rest.split()
        if int(fields[PARENT]) != server:
            return
        arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return  # it ended meanwhile
    started = int(fields[STARTED])
    if fields[STATE] in "ZX":
        if name.partition("(")[2] == STUB[:NAME_BYTES]:
            yield Stub(None, True, started)  # the kernel has let its arguments go
    elif Path(arguments[0]).name == STUB and len(arguments) > INSTANCE:
        instance = arguments[INSTANCE]
        version = Path(arguments[VERSION]).parent.name
        yield Stub(Slot(instance.rsplit("_", 2)[0], version, instance), False, started)
