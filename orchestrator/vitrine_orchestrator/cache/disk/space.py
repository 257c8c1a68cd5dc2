"""Keeps the disk folder within its limit, for all processes that share it."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from vitrine_orchestrator.cache.disk.files import Folder

KEEP_SHARE = 0.9  # an eviction frees space down to this share of the limit, so that evictions are rare
_SUM = struct.Struct("<q")
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Space:
    """An upper bound of the folder's size, in a file of eight bytes under flock.

    A put adds its bytes before it writes them, and deletions subtract nothing, so the bound is never too low
    even if a process dies. When the bound passes the limit, the folder is counted again, and the least
    recently used entries are deleted if it is too large. Puts of other processes wait meanwhile (0.1 s for
    22 000 files), so the limit is exceeded at most by bytes that they had added and not yet written.
    """

    def __init__(self, folder: Folder, max_bytes: int, calls: ModuleType = os) -> None:
        self.folder, self.max_bytes, self._os = folder, max_bytes, calls
        self._path = folder.root / "used"

    def reserve(self, size: int, now_s: float) -> int:
        """Add `size` bytes that are about to be written; returns the number of evicted entries."""
        with self._locked() as fd:
            used, evicted = self._get(fd) + size, 0
            if used > self.max_bytes:
                total, evicted = self._evict(now_s, size, self.max_bytes)
                used = total + size
            self._os.pwrite(fd, _SUM.pack(used), 0)
            return evicted

    def recount(self, now_s: float) -> int:
        """Count the folder again and evict down to the limit; returns the number of evicted entries."""
        with self._locked() as fd:
            total, evicted = self._evict(now_s, 0, self.max_bytes)
            self._os.pwrite(fd, _SUM.pack(total), 0)
            return evicted

    def free(self, now_s: float) -> int:
        """Evict entries regardless of the limit, because the disk is full. Returns their number."""
        with self._locked() as fd:
            total, evicted = self._evict(now_s, 0, 0)
            self._os.pwrite(fd, _SUM.pack(total), 0)
            return evicted

    def used(self) -> int:
        """The upper bound, in bytes."""
        with self._locked() as fd:
            return self._get(fd)

    def _evict(self, now_s: float, size: int, limit: int) -> tuple[int, int]:
        """(bytes kept, entries evicted). Evicts nothing if the entries and `size` bytes fit into `limit`.

        Also sweeps drafts, and sets times of use in the future to now, because such files would never become
        the oldest.
        """
        self.folder.sweep_drafts(now_s)
        files = sorted(self.folder.scan(), key=lambda file: file.used_s)
        total, evicted = sum(file.size for file in files), 0
        over = total + size > limit
        keep = KEEP_SHARE * min(total, self.max_bytes) if over else self.max_bytes
        for file in files:
            if total + size > keep:
                self.folder.remove(file.path)
                total, evicted = total - file.size, evicted + 1
            elif file.used_s > now_s + 1:
                self._set_used(file.path, int(now_s))
        return total, evicted

    def _set_used(self, path: Path, now_s: int) -> None:
        try:
            self.folder.set_used(path, now_s)
        except FileNotFoundError:
            return  # another process deleted it

    def _get(self, fd: int) -> int:
        raw = self._os.pread(fd, _SUM.size, 0)
        return _SUM.unpack(raw)[0] if len(raw) == _SUM.size else 0

    @contextmanager
    def _locked(self) -> Iterator[int]:
        fd = self._os.open(self._path, _FLAGS, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        finally:
            self._os.close(fd)  # also unlocks
