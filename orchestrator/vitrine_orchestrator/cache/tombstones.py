"""Invalidations that the object store has not taken yet: kept on disk until it has."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from vitrine.errors import Unavailable

from vitrine_orchestrator.cache.key import EVERYTHING, digest_of


class Tombstone(NamedTuple):
    """One invalidation that waits; `token` tells it from a later one of the same owner."""

    owner: str
    token: str


class Tombstones(Protocol):
    """While one stands, nothing of its owner may be taken from the store or put there."""

    def add(self, owner: str) -> Tombstone:
        """Let one stand, for good, before this returns. Unavailable if it cannot be written."""
        ...

    def remove(self, tombstone: Tombstone) -> None:
        """The store has taken it."""
        ...

    def stands(self, owner: str) -> bool:
        """Whether one stands for `owner` or for EVERYTHING."""
        ...

    def all(self) -> list[Tombstone]:
        """Those that stand."""
        ...


class OwnTombstones:
    """Tombstones of this process alone: they end with it. For a cache without a folder."""

    def __init__(self) -> None:
        self._standing: dict[str, Tombstone] = {}

    def add(self, owner: str) -> Tombstone:
        """See Tombstones."""
        self._standing[owner] = Tombstone(owner, secrets.token_hex(8))
        return self._standing[owner]

    def remove(self, tombstone: Tombstone) -> None:
        """See Tombstones."""
        if self._standing.get(tombstone.owner) == tombstone:
            del self._standing[tombstone.owner]

    def stands(self, owner: str) -> bool:
        """See Tombstones."""
        return owner in self._standing or EVERYTHING in self._standing

    def all(self) -> list[Tombstone]:
        """See Tombstones."""
        return list(self._standing.values())


class SharedTombstones:
    """Tombstones of all processes that share a folder: one file each, kept through restarts."""

    def __init__(self, folder: Path) -> None:
        """OSError if the folder cannot be made."""
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def add(self, owner: str) -> Tombstone:
        """See Tombstones."""
        made = Tombstone(owner, secrets.token_hex(8))
        try:
            with self._locked():
                self._write(made)
        except OSError as error:
            raise Unavailable(f"invalidation not written to the cache folder: {error.strerror}") from error
        return made

    def remove(self, tombstone: Tombstone) -> None:
        """See Tombstones; one that cannot be deleted is carried out once more, which is harmless."""
        path = self._path(tombstone.owner)
        try:
            with self._locked():
                if _read(path) == tombstone:
                    path.unlink()
        except OSError:
            return

    def stands(self, owner: str) -> bool:
        """See Tombstones."""
        return self._path(owner).exists() or self._path(EVERYTHING).exists()

    def all(self) -> list[Tombstone]:
        """See Tombstones."""
        read = (_read(path) for path in sorted(self.folder.glob("*.json")))
        return [tombstone for tombstone in read if tombstone]

    def _write(self, made: Tombstone) -> None:
        """Beside, flushed, renamed, the rename flushed too: a power cut must not undo what was promised."""
        draft = self.folder / f"{made.token}.draft"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, json.dumps(made._asdict()).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(draft, self._path(made.owner))
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
        return Tombstone(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
