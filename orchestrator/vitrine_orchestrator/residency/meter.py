"""Measures memory: of the server's processes (embedded), or of a device (by NVIDIA's management library)."""

from __future__ import annotations

import ctypes
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from vitrine.errors import Unavailable

from vitrine_orchestrator.embedded.processes import Slot, look
from vitrine_orchestrator.residency.process_bytes import peak_bytes, resident_bytes

MeterKind = Literal["processes", "device"]
LOOK_S = 0.8  # seconds between two looks for new processes, which take some milliseconds
NVML = "libnvidia-ml.so.1"


@dataclass(frozen=True)
class Reading:
    """Bytes in use now: in all, and by model where models have processes of their own."""

    total: int
    models: Mapping[str, int] = field(default_factory=dict)
    peaks: Mapping[str, int] = field(default_factory=dict)
    """The most since its processes began. Of two processes of one place the larger counts: one is ending."""


class Meter(Protocol):
    """Reads the memory that a budget is about."""

    @property
    def by_model(self) -> bool:
        """Whether readings say what each model takes; if not, loads are measured one by one."""

    def read(self, anew: bool = False) -> Reading:
        """The memory in use now; `anew` finds processes that have just begun."""


class ProcessMeter:
    """Resident memory of a Triton server and of the processes of its Python models.

    Libraries that processes share count in each of them, so the true sum is below this one. What a process
    takes is what the sum falls by when it ends.
    """

    by_model = True

    def __init__(self, server: int, look_s: float = LOOK_S) -> None:
        """server: the process id of tritonserver. look_s: between two looks for new processes."""
        self._server, self._look_s = server, look_s
        self._stubs: dict[int, Slot] = {}
        self._looked = float("-inf")

    def read(self, anew: bool = False) -> Reading:
        """The memory in use now, of the processes that were there at the last look and still are."""
        if anew or time.monotonic() - self._looked > self._look_s:
            found, self._looked = look(self._server), time.monotonic()
            self._stubs = {pid: stub.slot for pid, stub in found.items() if stub.slot and not stub.ended}
        now: dict[str, int] = defaultdict(int)
        peaks: dict[str, int] = defaultdict(int)
        most: dict[Slot, int] = defaultdict(int)
        for pid, slot in self._stubs.items():
            now[slot.model] += resident_bytes(pid)
            most[slot] = max(most[slot], peak_bytes(pid))
        for slot, peak in most.items():
            peaks[slot.model] += peak
        return Reading(resident_bytes(self._server) + sum(now.values()), dict(now), dict(peaks))


class _Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class DeviceMeter:
    """Memory in use on one GPU, by all processes."""

    by_model = False

    def __init__(self, device: int = 0) -> None:
        """Unavailable if the machine has no such GPU or no driver."""
        try:
            self._nvml = ctypes.CDLL(NVML)
        except OSError as error:
            raise Unavailable(f"the memory of the GPU cannot be measured: {error}") from error
        self._handle = ctypes.c_void_p()
        self._call("nvmlInit_v2")
        self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(device), ctypes.byref(self._handle))

    def read(self, anew: bool = False) -> Reading:
        """The memory in use now."""
        memory = _Memory()
        self._call("nvmlDeviceGetMemoryInfo", self._handle, ctypes.byref(memory))
        return Reading(int(memory.used))

    def _call(self, name: str, *arguments: object) -> None:
        if code := getattr(self._nvml, name)(*arguments):
            raise Unavailable(f"the memory of the GPU cannot be measured: {name} answered {code}")


def open_meter(kind: MeterKind, server: int) -> Meter:
    """The meter of that kind; `server` is the process id of tritonserver."""
    return DeviceMeter() if kind == "device" else ProcessMeter(server)
