"""Pending invalidations: those that the object store has not taken yet, kept on disk until it has."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from vitrine.errors import Unavailable

from vitrine_orchestrator.cache.key import EVERYTHING, digest_of


class Tombstone(NamedTuple):
    """One pending invalidation; `token` distinguishes it from a later one of the same owner."""

    owner: str
    token: str


class Tombstones(Protocol):
    """While an owner has one, nothing of the owner may be read from the store or put there."""

    def add(self, owner: str) -> Tombstone:
        """Add a tombstone, stored durably when this returns. Unavailable if it cannot be written."""
        ...

    def remove(self, tombstone: Tombstone) -> None:
        """Remove a tombstone, once the store has taken its invalidation."""
        ...

    def is_pending(self, owner: str) -> bool:
        """Whether there is a tombstone for `owner` or for EVERYTHING."""
        ...

    def all(self) -> list[Tombstone]:
        """All tombstones."""
        ...


class OwnTombstones:
    """Tombstones of one process, lost when it ends; for a cache without a folder."""

    def __init__(self) -> None:
        self._pending: dict[str, Tombstone] = {}

    def add(self, owner: str) -> Tombstone:
        """See Tombstones."""
        self._pending[owner] = Tombstone(owner, secrets.token_hex(8))
        return self._pending[owner]

    def remove(self, tombstone: Tombstone) -> None:
        """See Tombstones."""
        if self._pending.get(tombstone.owner) == tombstone:
            del self._pending[tombstone.owner]

    def is_pending(self, owner: str) -> bool:
        """See Tombstones."""
        return owner in self._pending or EVERYTHING in self._pending

    def all(self) -> list[Tombstone]:
        """See Tombstones."""
        return list(self._pending.values())


class SharedTombstones:
    """Tombstones of all processes that share a folder: one file each, kept through restarts."""

    def __init__(self, folder: Path) -> None:
        """OSError if the folder cannot be created."""
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def add(self, owner: str) -> Tombstone:
        """See Tombstones."""
        tombstone = Tombstone(owner, secrets.token_hex(8))
        try:
            with self._locked():
                self._write(tombstone)
        except OSError as error:
            raise Unavailable(f"invalidation not written to the cache folder: {error.strerror}") from error
        return tombstone

    def remove(self, tombstone: Tombstone) -> None:
        """See Tombstones; if deleting fails, the invalidation is sent once more, which is harmless."""
        path = self._path(tombstone.owner)
        try:
            with self._locked():
                if _read(path) == tombstone:
                    path.unlink()
        except OSError:
            return

    def is_pending(self, owner: str) -> bool:
        """See Tombstones; a damaged one, which names no owner, is written again."""
        return any(self._is_there(one) for one in (owner, EVERYTHING))

    def all(self) -> list[Tombstone]:
        """See Tombstones."""
        read = (_read(path) for path in sorted(self.folder.glob("*.json")))
        return [tombstone for tombstone in read if tombstone]

    def _is_there(self, owner: str) -> bool:
        path = self._path(owner)
        if not path.exists():
            return False
        if _read(path) is None and path.exists():
            with suppress(Unavailable):
                self.add(owner)  # otherwise the store would never be asked to take it, and never be read
        return True

    def _write(self, tombstone: Tombstone) -> None:
        """Write a draft, flush it, rename it and flush the folder, so that a power cut cannot undo it."""
        draft = self.folder / f"{tombstone.token}.draft"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, json.dumps(tombstone._asdict()).encode())
            os.fsync(fd)
        except OSError:
            draft.unlink(missing_ok=True)  # a full disk needs its room
            raise
        finally:
            os.close(fd)
        os.replace(draft, self._path(tombstone.owner))
        directory = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _path(self, owner: str) -> Path:
        return self.folder / f"{digest_of(owner)}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self.folder / "lock", flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _read(path: Path) -> Tombstone | None:
    try:
        return Tombstone(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # not there, or damaged
