"""On a few cores the denoiser and the decoder compute in turn, each on all cores.

Side by side they take more processor time than one after the other (they evict each other's caches, and the
threads of a call wait for one that has not got a core): docs/performance.md has the figures. Networks that
prepare take no turns: there are many, and who waits for one of them has nothing else to do. Nothing depends
on a turn but speed, so whoever waits too long goes on without.
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

MOST_CORES = 4  # on more, one call does not keep all of them busy; measured on two
PATIENCE_S = 5.0  # longer than any call takes


class Turns:
    """The turn of one set of cores: a lock of the kernel, which a process that dies lets go."""

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        """OSError if `path` cannot be made."""
        self._patience_s = patience_s
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix="turn")
        self._late: Future[None] | None = None

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Compute in here, from one thread of this process at a time; gives whether it is this one's turn."""
        mine = self._take()
        try:
            yield mine
        finally:
            if mine:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _take(self) -> bool:
        if self._late and not self._late.done():
            return False  # somebody has hung with the turn: once is enough to wait
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._wait()
        return True

    def _wait(self) -> bool:
        """Wait in another thread, which alone can be left waiting."""
        self._late = self._waiting.submit(fcntl.flock, self._fd, fcntl.LOCK_EX)
        try:
            self._late.result(self._patience_s)
        except TimeoutError:
            logger.warning("no turn on the cores for %.0f s: going on without", self._patience_s)
            self._late.add_done_callback(lambda _: fcntl.flock(self._fd, fcntl.LOCK_UN))
            return False
        return True


class NoTurns:
    """Everybody computes when they like."""

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Compute in here."""
        yield False


def open_turns(environment: Mapping[str, str] = os.environ) -> Turns | NoTurns:
    """The turn that this server's models share, in its cache folder; none without one or on many cores.

    Processes that may use other cores, as a container beside this one, have another turn.
    """
    settings, allowed = Settings.from_environment(environment), sorted(os.sched_getaffinity(0))
    folder = settings.cache_folder
    if settings.turns == "off" or folder is None or not 1 < len(allowed) <= MOST_CORES:
        return NoTurns()
    name = hashlib.sha256(repr(allowed).encode()).hexdigest()[:12]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Turns(folder / f"turns-{name}.lock")
    except OSError as error:
        logger.warning("networks do not take turns: %s", error.strerror)
        return NoTurns()
