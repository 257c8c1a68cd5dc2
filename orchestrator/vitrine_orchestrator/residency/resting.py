"""A network's process on a server with a memory budget: it gives back what it does not use, when it is asked.

What a network's work took otherwise stays with its process, for the next call: a third of what the process of
IDM-VTON's decoder takes, four fifths of a cut-out's. Arrays come from the C library's heap here instead of
ONNX Runtime's own memory, because the heap can be returned at any moment (docs/residency.md).
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from vitrine_orchestrator.residency.address import AGAIN_S, socket_name
from vitrine_orchestrator.residency.amounts import OFF
from vitrine_orchestrator.residency.process_bytes import resident_bytes
from vitrine_orchestrator.settings import Settings

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # parameters of glibc's mallopt
LARGEST_ON_HEAP = 32 * 2**20  # the most that glibc allows; larger arrays have pages of their own
NEVER = 2**31 - 1
PROGRAM = "r-xp"  # what a process may only read and execute is as in its file, so it can be read again
MADV_DONTNEED = 4

logger = logging.getLogger(__name__)


def has_budget(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process belongs to a server with a memory budget."""
    return Settings.from_environment(environment).memory != OFF


def keep_heap() -> None:
    """Have the heap keep what is freed, so that a call finds the memory of the last one."""
    library = ctypes.CDLL(None)
    library.mallopt(M_ARENA_MAX, 1)  # the end of a thread's own heap cannot be returned
    library.mallopt(M_MMAP_THRESHOLD, LARGEST_ON_HEAP)
    library.mallopt(M_TRIM_THRESHOLD, NEVER)


def give_back() -> int:
    """Return free pages of the heap to the system, and pages of programs; the resident bytes that are left.

    Pages of programs are those of the files that all processes map; they come back by themselves when they
    are needed, from memory as long as Linux keeps the file there.
    """
    library = ctypes.CDLL(None)
    library.malloc_trim(0)
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        span, access, _, _, _, *path = line.split(maxsplit=5)
        if access == PROGRAM and path and path[0].startswith("/"):
            begin, end = (int(one, 16) for one in span.split("-"))
            library.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), MADV_DONTNEED)
    return resident_bytes(os.getpid())


class Resting:
    """Answers the owner of the memory in a thread of its own, and connects again when the owner has died."""

    def __init__(self, address: str, model: str, give_back: Callable[[], int] = give_back) -> None:
        """address: of the owner's abstract socket. model: the name by which Triton knows it."""
        self._address, self._model, self._give_back = address, model, give_back
        self._takes = give_back()

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self._run, name="resting", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self.serve()
            except (OSError, ValueError):
                logger.debug("the owner of the memory cannot be reached")
            time.sleep(AGAIN_S)

    def serve(self) -> None:
        """Answer one owner until it ends."""
        with socket.socket(socket.AF_UNIX) as pipe:
            pipe.connect(self._address)
            self._say(pipe, {"network": self._model, "takes": self._takes})
            with pipe.makefile(encoding="utf-8") as lines:
                for line in lines:
                    if "rest" in json.loads(line):
                        self._takes = self._give_back()
                        self._say(pipe, {"rested": self._takes})

    def _say(self, pipe: socket.socket, message: dict[str, object]) -> None:
        pipe.sendall(json.dumps(message).encode() + b"\n")


def rest_when_asked(model: str) -> None:
    """Have this process, a child of tritonserver, rest when the owner of the server's memory asks."""
    Resting(socket_name(os.getppid()), model).start()
