"""Measures the peak memory of a process tree by sampling /proc (Linux)."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

PAUSE_S = 0.5  # time between two samples
KIB = 1024


class PeakMemory:
    """Samples the proportional set size (PSS) of a process tree during the `with` block: `peak_bytes`."""

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        self.pid, self.proc, self.peak_bytes = pid, proc, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(PAUSE_S):
            total = sum(_resident(self.proc / str(pid)) for pid in tree(self.pid, self.proc))
            self.peak_bytes = max(self.peak_bytes, total)


def tree(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """Return the pids of a process and its descendants; processes that have ended are omitted."""
    children: dict[int, list[int]] = {}
    for folder in proc.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # the process has ended
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, ()))
    return found


def _resident(folder: Path) -> int:
    """Return the proportional set size of a process in bytes; 0 if it has ended."""
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith("Pss:")), 0)
