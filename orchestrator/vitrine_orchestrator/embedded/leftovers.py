"""What a server keeps outside of its memory, and its removal: by itself, or by the next one if it was killed.

A server holds the lock of a file in its temporary folder, and so does every process that it starts. The
system releases the lock when the last of them has ended, however that came about.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from vitrine_orchestrator.shared_memory import FOLDER as SHARED_MEMORY

FOLDERS = "vitrine-triton-"  # how the names of servers' temporary folders begin
OWNER = "owner"  # the file that is locked; holds the prefix of the server's shared memory
MADE = "python-environments"  # the file with the names of folders that the Python backend has made
PREFIX = re.compile(r"vitrine_[0-9a-f]{12}_")

# Triton's Python backend makes a folder at its first load, always in /tmp, and leaves it when it is killed.
ENVIRONMENTS = Path("/tmp")


class Belongings:
    """The files of one server: its folder, its shared memory, and what Triton's backend makes in /tmp."""

    def __init__(self, temporary: Path, shared_prefix: str) -> None:
        """temporary: the folder for its own one. shared_prefix: how the names of its segments begin."""
        self._prefix, self._before = shared_prefix, _environments()
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDERS, dir=temporary))
        draft = self.folder / f".{OWNER}"
        try:
            self._lock = draft.open("wb", buffering=0)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock.write(shared_prefix.encode())
            draft.rename(self.folder / OWNER)  # from now on it is found, and locked
        except OSError:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @property
    def lock(self) -> int:
        """The descriptor that every process of the server inherits."""
        return self._lock.fileno()

    def note(self) -> None:
        """Write down what the Python backend has made since; call it when models are loaded."""
        made = sorted(_environments() - self._before)
        (self.folder / MADE).write_text("\n".join(made), encoding="utf-8")

    def remove(self, killed: bool) -> None:
        """Remove everything after the server has ended; killed: whether it could not tidy up itself.

        A second call does nothing.
        """
        if self._lock.closed:
            return
        if killed:
            _remove_empty(_environments() - self._before)
        _remove(self.folder, self._prefix)
        self._lock.close()


def clear_dead(temporary: Path) -> None:
    """Remove what is left of this user's servers whose processes have all died, by their folders."""
    for folder in temporary.glob(f"{FOLDERS}*"):
        with suppress(OSError):  # such as BlockingIOError: its server lives
            _clear(folder)


def _clear(folder: Path) -> None:
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return
    with (folder / OWNER).open("rb") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        prefix = owner.read().decode(errors="replace")
        if PREFIX.fullmatch(prefix):
            if (made := folder / MADE).exists():
                _remove_empty(made.read_text(encoding="utf-8").split())
            _remove(folder, prefix)


def _remove(folder: Path, prefix: str) -> None:
    for left in SHARED_MEMORY.glob(f"{prefix}*"):
        left.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _environments() -> set[str]:
    """The names of this user's folders of Python environments."""
    found = set()
    for path in ENVIRONMENTS.glob("python_env_*"):
        with suppress(OSError):
            if path.lstat().st_uid == os.getuid():
                found.add(path.name)
    return found


def _remove_empty(names: Iterable[str]) -> None:
    for name in names:
        with suppress(OSError):  # a folder with an environment in it stays
            (ENVIRONMENTS / Path(name).name).rmdir()
