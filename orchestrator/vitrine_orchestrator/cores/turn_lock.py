"""A lock by which denoiser and decoder compute in turn on a few cores, each on all cores.

Concurrently they take more processor time than one after the other: they evict each other's caches, and the
threads of a call wait for a thread that has no core. docs/performance.md has the figures. The networks of the
prepare models do not take the lock: there are many, and their callers have nothing else to compute meanwhile.
The lock affects only speed, so a call that waits too long continues without it.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from vitrine_orchestrator.settings import Settings

logger = logging.getLogger(__name__)

MAX_CORES = 4  # with more cores there is no lock, because one call does not keep all busy; measured on two
MAX_WAIT_S = 5.0  # after this long, which no call takes, a call continues without the lock


class TurnLock:
    """The lock of one set of cores: a file lock, which the kernel releases when its process dies."""

    def __init__(self, path: Path, max_wait_s: float = MAX_WAIT_S) -> None:
        """Raises OSError when the file `path` cannot be created."""
        self._max_wait_s = max_wait_s
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._waiter = ThreadPoolExecutor(1, thread_name_prefix="turn")
        self._pending: Future[None] | None = None

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Hold the lock during the block and yield True; yield False after waiting too long.

        Only one thread of this process may call it at a time.
        """
        acquired = self._acquire()
        try:
            yield acquired
        finally:
            if acquired:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _acquire(self) -> bool:
        if self._pending and not self._pending.done():
            return False  # an earlier wait timed out and the lock is still held: do not wait again
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._wait()
        return True

    def _wait(self) -> bool:
        """Wait for the lock in a helper thread: flock has no timeout, and the helper can be left waiting."""
        self._pending = self._waiter.submit(fcntl.flock, self._fd, fcntl.LOCK_EX)
        try:
            self._pending.result(self._max_wait_s)
        except TimeoutError:
            logger.warning(
                "the lock of the cores was not free for %.0f s; continuing without it", self._max_wait_s
            )
            self._pending.add_done_callback(lambda _: fcntl.flock(self._fd, fcntl.LOCK_UN))
            return False
        return True


class NoTurnLock:
    """No lock: every call starts when it is made."""

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Yield False."""
        yield False


def open_turn_lock(environment: Mapping[str, str] = os.environ) -> TurnLock | NoTurnLock:
    """The lock that this server's models share, a file in its cache folder.

    There is none without a cache folder, on one core or on more than MAX_CORES. Processes that may use other
    cores, such as another container, have another lock.
    """
    settings, allowed = Settings.from_environment(environment), sorted(os.sched_getaffinity(0))
    folder = settings.cache_folder
    if settings.turns == "off" or folder is None or not 1 < len(allowed) <= MAX_CORES:
        return NoTurnLock()
    name = hashlib.sha256(repr(allowed).encode()).hexdigest()[:12]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return TurnLock(folder / f"turns-{name}.lock")
    except OSError as error:
        logger.warning("networks run without the lock of the cores: %s", error.strerror)
        return NoTurnLock()
