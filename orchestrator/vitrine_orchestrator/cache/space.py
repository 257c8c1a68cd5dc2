"""How much of the disk folder is used, told between processes, and what leaves when it is too much."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from vitrine_orchestrator.cache.folder import Folder

KEEP_SHARE = 0.9  # an eviction goes down to this share of the limit, so that evictions are rare
_USED = struct.Struct("<q")
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Space:
    """The folder's size in a file of eight bytes, changed under flock by every process that puts.

    A process killed between a rename and its entry here leaves the sum wrong by one value; each recount
    (at the start, and with each eviction) mends it.
    """

    def __init__(self, folder: Folder, max_bytes: int, calls: ModuleType = os) -> None:
        self.folder, self.max_bytes, self._os = folder, max_bytes, calls
        self._sum = folder.root / "used"
        self._evictor = folder.root / "evictor.lock"

    def add(self, grown: int) -> int:
        """Count `grown` more bytes (fewer if negative); the bytes now used."""
        with self._locked(self._sum) as fd:
            used = self._get(fd) + grown
            self._os.pwrite(fd, _USED.pack(used), 0)
            return used

    def used(self) -> int:
        """Bytes used as far as is known."""
        with self._locked(self._sum) as fd:
            return self._get(fd)

    def evict(self, now_s: float, must_free: bool = False) -> int:
        """Recount; if over the limit, or if it must, delete what was used longest ago. How many went.

        One process at a time: another that comes meanwhile leaves the work to it. Also sweeps drafts, and
        sets times of use that lie in the future to now, or they would never be the oldest.
        """
        try:
            with self._locked(self._evictor, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return self._evict(now_s, must_free)
        except BlockingIOError:
            return 0

    def _evict(self, now_s: float, must_free: bool) -> int:
        self.folder.sweep_drafts(now_s)
        known = self.used()
        files = sorted(self.folder.scan(), key=lambda file: file.used_s)
        total, left = sum(file.size for file in files), 0
        over = must_free or total > self.max_bytes
        keep_bytes = int(KEEP_SHARE * min(total, self.max_bytes)) if over else self.max_bytes
        for file in files:
            if total > keep_bytes:
                total -= self.folder.remove(file.path)
                left += 1
            elif file.used_s > now_s + 1:
                self._set_used(file.path, int(now_s))
        with self._locked(self._sum) as fd:  # what others put since the scan began is in the sum already
            self._os.pwrite(fd, _USED.pack(total + self._get(fd) - known), 0)
        return left

    def _set_used(self, path: Path, now_s: int) -> None:
        try:
            self.folder.set_used(path, now_s)
        except FileNotFoundError:
            return  # another process deleted it

    def _get(self, fd: int) -> int:
        raw = self._os.pread(fd, _USED.size, 0)
        return _USED.unpack(raw)[0] if len(raw) == _USED.size else 0

    @contextmanager
    def _locked(self, path: Path, how: int = fcntl.LOCK_EX) -> Iterator[int]:
        fd = self._os.open(path, _FLAGS, 0o600)
        try:
            fcntl.flock(fd, how)
            yield fd
        finally:
            self._os.close(fd)  # also unlocks
