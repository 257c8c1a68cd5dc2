"""Records invalidations: one random token for each owner, replaced by each invalidation.

A value is valid while its owner's token is the one that it was computed under. Tokens are only compared for
equality, so writers need no lock, and a torn or lost token costs a miss, never a stale value.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from types import ModuleType
from typing import Protocol

from vitrine.errors import Unavailable

from vitrine_orchestrator.cache.key import EVERYTHING
from vitrine_orchestrator.cache.tier import Lease

_TOKEN = 8  # bytes
LEASE_BYTES = 3 * _TOKEN  # length of a SharedGenerations' lease
_SLOTS = 2**17  # 1 MB; two owners in one slot are invalidated together, which is safe
_SIZE = _TOKEN * (2 + _SLOTS)  # the file's own token, the token of EVERYTHING, the owners' tokens


class Generations(Protocol):
    """Returns the current lease of an owner, and voids leases."""

    def now(self, owner: str) -> Lease | None:
        """The lease of `owner` as of now; None if it cannot be read."""
        ...

    def void(self, owner: str) -> None:
        """Void, for good, every lease of `owner` (or of EVERYTHING) that was returned before."""
        ...

    def renew(self, name: str) -> None:
        """Void the value `name` in the memory of every running process: it is about to be computed again."""
        ...


class OwnGenerations:
    """Generations of this process alone: for memory without a disk folder."""

    def __init__(self) -> None:
        self._tokens: dict[str, bytes] = {}

    def now(self, owner: str) -> Lease | None:
        """See Generations."""
        return self._tokens.get(EVERYTHING, b"") + b"/" + self._tokens.get(owner, b"")

    def void(self, owner: str) -> None:
        """See Generations."""
        self._tokens[owner] = secrets.token_bytes(_TOKEN)

    def renew(self, name: str) -> None:
        """See Generations; does nothing, because the new value replaces the old one in the same memory."""


class SharedGenerations:
    """Generations of all processes that share a folder of a local file system, kept through restarts.

    One file of fixed size, read with pread (2 microseconds) and never memory-mapped, because truncating
    a mapped file would kill the process. Its space is allocated at the start, so a full disk cannot stop an
    invalidation. If the file is deleted, it is replaced by one with another file token, which voids every
    lease: no value is served whose validity cannot be checked.
    """

    def __init__(self, path: Path, calls: ModuleType = os) -> None:
        """Open or create `path`; OSError if that cannot be done. Tests pass a fake `os` as `calls`."""
        self.path, self._os = path, calls
        self._fd = self._open()

    def now(self, owner: str) -> Lease | None:
        """See Generations."""
        try:
            if self._os.fstat(self._fd).st_nlink == 0:
                self._reopen()
            common = self._os.pread(self._fd, 2 * _TOKEN, 0)
            own = self._os.pread(self._fd, _TOKEN, _offset(owner))
        except OSError:
            return None
        return common + own if len(common) + len(own) == LEASE_BYTES else None

    def void(self, owner: str) -> None:
        """See Generations; on disk when this returns. Unavailable if the file cannot be written."""
        try:
            if self._os.fstat(self._fd).st_nlink == 0:
                self._reopen()
            self._os.pwrite(self._fd, secrets.token_bytes(_TOKEN), _offset(owner))
            self._os.fsync(self._fd)  # a power cut must not undo an invalidation that was reported
        except OSError as error:
            raise Unavailable(f"invalidation not written to the cache folder: {error.strerror}") from error

    def renew(self, name: str) -> None:
        """See Generations; not flushed, since memory does not survive a power cut either. Raises OSError."""
        self._os.pwrite(self._fd, secrets.token_bytes(_TOKEN), _offset(name))

    def close(self) -> None:
        """Close the file; `now` returns None afterwards."""
        if self._fd >= 0:
            self._os.close(self._fd)
            self._fd = -1

    def _reopen(self) -> None:
        old, self._fd = self._fd, self._open()
        self._os.close(old)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        self._os.makedirs(self.path.parent, mode=0o700, exist_ok=True)
        for _ in range(2):
            try:
                fd = self._os.open(self.path, flags)
            except FileNotFoundError:
                self._create()
                continue
            if self._os.fstat(fd).st_size == _SIZE:
                return fd
            self._os.close(fd)
            self._os.unlink(self.path)  # of another version or truncated: its tokens cannot be trusted
            self._create()
        return self._os.open(self.path, flags)

    def _create(self) -> None:
        """Write a complete draft, then link it. The first process to link wins, and all open its file."""
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        fd = self._os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self._os.posix_fallocate(fd, 0, _SIZE)
            self._os.pwrite(fd, secrets.token_bytes(_TOKEN), 0)
            self._os.fsync(fd)
            self._os.link(draft, self.path)
        except FileExistsError:
            pass  # another process was first
        finally:
            self._os.close(fd)
            self._os.unlink(draft)


def _offset(owner: str) -> int:
    if owner == EVERYTHING:
        return _TOKEN
    digest = hashlib.blake2b(owner.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return _TOKEN * (2 + int.from_bytes(digest, "little") % _SLOTS)
