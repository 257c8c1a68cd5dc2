"""The files of the disk tier: paths, writing, reading, listing and sweeping.

    entries/ab/{digest of owner}-{digest of key}   a header and a value; mtime: last use; see `_use`
    drafts/{pid namespace}-{pid}-{random}          being written; renamed into entries when complete
Paths contain digests only, so no id can lead out of the folder. Every function here may raise OSError.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from vitrine_orchestrator.cache.disk.envelope import HEADER_BYTES, Header, read_header
from vitrine_orchestrator.cache.disk.process import is_gone, own_name
from vitrine_orchestrator.cache.key import EVERYTHING, Key, digest_of

_S = 10**9  # nanoseconds
_MAX_READS = 1000  # more than any ttl needs; a larger number is another program's mtime, and counts as 0
DRAFT_AGE_S = 3600.0  # an older draft is deleted: its writer must have ended
_DIGITS = 32  # digits of a digest in a file name (128 bits); the header holds the whole digest
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a planted pipe must not block
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class File(NamedTuple):
    """An entry found by a scan: bytes on disk and time of last use (Unix seconds)."""

    path: Path
    size: int
    used_s: int


class DiskEntry(NamedTuple):
    """An entry as read; its checksum has not been compared yet.

    header: None for a file of another format or length. inode: of the file. reads: number of earlier reads.
    """

    header: Header | None
    value: bytes
    inode: int
    reads: int


class Folder:
    """The directory of the disk tier, created with mode 0700; its files have 0600."""

    def __init__(self, root: Path, calls: ModuleType = os) -> None:
        """Make the directories; OSError if `root` is a link, another user's, or cannot be created."""
        self.root, self._os = root, calls
        self.entries, self.drafts = root / "entries", root / "drafts"
        for directory in (root, self.entries, self.drafts):
            self._make(directory)
            state = self._os.lstat(directory)
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
                raise PermissionError(1, "not a directory of this user", str(directory))
            if state.st_mode & 0o077:
                self._os.chmod(directory, 0o700)

    def path(self, key: Key) -> Path:
        """The path of the entry of `key`."""
        prefix = digest_of(key.owner)[:_DIGITS]
        return self.entries / prefix[:2] / f"{prefix}-{key.digest[:_DIGITS]}"

    def read(self, key: Key, use: int) -> DiskEntry | None:
        """The entry of `key`, or None. Sets its last use to `use` (Unix seconds) and counts one more read."""
        try:
            fd = self._os.open(self.path(key), _READ)
        except FileNotFoundError:
            return None
        try:
            state = self._os.fstat(fd)
            header = read_header(self._read(fd, HEADER_BYTES))
            if header is None or header.length != state.st_size - HEADER_BYTES:
                return DiskEntry(None, b"", state.st_ino, 0)
            value = self._read(fd, header.length)
            reads = _reads(state.st_mtime_ns)
            self._use(fd, use, reads + 1)
            return DiskEntry(header, value, state.st_ino, reads)
        finally:
            self._os.close(fd)

    def write(self, key: Key, header: bytes, value: bytes, use: int) -> None:
        """Write an entry atomically, replacing any older one."""
        draft = self.drafts / f"{own_name()}-{secrets.token_hex(8)}"
        try:
            self._write_draft(draft, header, value, use)
            self._place(draft, self.path(key))
        except BaseException:
            self._discard(draft)
            raise

    def remove(self, path: Path, inode: int | None = None) -> None:
        """Delete one entry; with `inode`, only if the path still has that file."""
        try:
            if inode in (None, self._os.lstat(path).st_ino):
                self._os.unlink(path)
        except FileNotFoundError:
            return  # another process deleted it first

    def remove_owner(self, owner: str) -> None:
        """Delete every entry of `owner` (or of EVERYTHING)."""
        if owner == EVERYTHING:
            prefix, files = "", self.scan()
        else:
            prefix = digest_of(owner)[:_DIGITS]
            files = self._scan(self.entries / prefix[:2])
        for file in files:
            if file.path.name.startswith(prefix):
                self.remove(file.path)

    def scan(self) -> Iterator[File]:
        """Every entry, in no particular order."""
        for directory in self._listed(self.entries):
            yield from self._scan(Path(directory.path))

    def _scan(self, directory: Path) -> Iterator[File]:
        for item in self._listed(directory):
            try:
                state = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # another process deleted it first
            if not stat.S_ISDIR(state.st_mode):
                yield File(Path(item.path), state.st_size, state.st_mtime_ns // _S)

    def _listed(self, directory: Path) -> list[os.DirEntry[str]]:
        try:
            return list(self._os.scandir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def set_used(self, path: Path, used_s: int) -> None:
        """Set an entry's time of last use, and its number of reads to 0."""
        self._os.utime(path, ns=(used_s * _S, used_s * _S), follow_symlinks=False)

    def sweep_drafts(self, now_s: float) -> int:
        """Delete drafts whose process has ended (see `is_gone`), and drafts older than DRAFT_AGE_S."""
        swept = 0
        for item in list(self._os.scandir(self.drafts)):
            try:
                old = now_s - item.stat(follow_symlinks=False).st_mtime > DRAFT_AGE_S
                if old or is_gone(item.name):
                    self._os.unlink(item.path)
                    swept += 1
            except FileNotFoundError:
                continue
        return swept

    def _write_draft(self, draft: Path, header: bytes, value: bytes, use: int) -> None:
        fd = self._open_draft(draft)
        try:
            written = self._os.writev(fd, [header, value])
            while written < len(header) + len(value):  # a signal or a full disk interrupted the write
                written += self._os.write(fd, (header + value)[written:])
            self._use(fd, use, 0)
        finally:
            self._os.close(fd)

    def _open_draft(self, draft: Path) -> int:
        try:
            return self._os.open(draft, _WRITE, 0o600)
        except FileNotFoundError:  # the folder was deleted
            self._make(self.root, self.drafts)
            return self._os.open(draft, _WRITE, 0o600)

    def _place(self, draft: Path, path: Path) -> None:
        try:
            self._os.replace(draft, path)
        except FileNotFoundError:
            self._make(self.root, self.entries, path.parent)
            self._os.replace(draft, path)

    def _make(self, *directories: Path) -> None:
        for directory in directories:
            self._os.makedirs(directory, mode=0o700, exist_ok=True)

    def _use(self, fd: int, used_s: int, reads: int) -> None:
        """Store last use (seconds) and reads (as nanoseconds) in the mtime, shared by all processes."""
        stamp = used_s * _S + min(reads, _MAX_READS)
        self._os.utime(fd, ns=(stamp, stamp))

    def _read(self, fd: int, count: int) -> bytes:
        data = self._os.read(fd, count)
        while len(data) < count and (more := self._os.read(fd, count - len(data))):
            data += more
        return data

    def _discard(self, draft: Path) -> None:
        try:
            self._os.unlink(draft)
        except OSError:
            return  # never created, or left for the sweep


def _reads(mtime_ns: int) -> int:
    reads = mtime_ns % _S
    return reads if reads <= _MAX_READS else 0
