"""Lets one process of a host at a time compute a value."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vitrine_orchestrator.cache.key import Key
from vitrine_orchestrator.cache.tier import CacheCounters

FIRST_POLL_S, MAX_POLL_S = 0.005, 0.1  # wait between two attempts, which grows up to the maximum


class NoLocks:
    """No locks: without a shared folder every process computes for itself."""

    @asynccontextmanager
    async def hold(self, key: Key) -> AsyncIterator[bool]:
        """Yield False immediately."""
        yield False


class ProcessLocks:
    """A file lock (flock) for each key, in one folder; the kernel releases the locks of a process that dies.

    The lock only saves work: after `wait_s` seconds, or if the folder cannot be used, the caller continues
    without the lock.
    """

    def __init__(self, folder: Path, counters: CacheCounters, wait_s: float = 30.0) -> None:
        self.folder, self.counters, self.wait_s = folder, counters, wait_s

    @asynccontextmanager
    async def hold(self, key: Key) -> AsyncIterator[bool]:
        """Hold the lock of `key`; yields True if another process held it, and may have done the work."""
        path = self.folder / key.digest
        fd, waited = await self._acquire(path)
        try:
            yield waited
        finally:
            if fd is not None:
                _release(path, fd)

    async def _acquire(self, path: Path) -> tuple[int | None, bool]:
        give_up_s, pause_s, waited = time.monotonic() + self.wait_s, FIRST_POLL_S, False
        while True:
            try:
                if (fd := self._try(path)) is not None:
                    return fd, waited
            except OSError:
                self.counters.add("eio")
                return None, waited
            if time.monotonic() >= give_up_s:
                self.counters.add("lock_timeout")
                return None, True
            waited = True
            await asyncio.sleep(pause_s)
            pause_s = min(1.5 * pause_s, MAX_POLL_S)

    def _try(self, path: Path) -> int | None:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return fd
        except BlockingIOError:
            pass  # another process holds it
        except OSError:
            os.close(fd)
            raise
        os.close(fd)  # or its holder unlinked it: the next attempt creates a new one
        return None


def _release(path: Path, fd: int) -> None:
    """Unlink, then unlock: a process that waits on this file sees that it is gone and creates a new one."""
    try:
        os.unlink(path)
    except OSError:
        pass  # the folder was deleted
    finally:
        os.close(fd)
