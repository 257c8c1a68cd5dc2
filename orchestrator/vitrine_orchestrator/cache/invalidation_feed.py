"""How a host learns what other hosts have invalidated: a list in the object store, newest last.

Every invalidation leaves one small object, named by its time. Each host looks every few seconds for names
that it has not seen, and forgets their owners in its memory and on its disk. So another host's memory and
disk follow within LOOK_S and the time of a listing; what it takes from the store itself follows at once.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from vitrine_orchestrator.cache.layout import FEED
from vitrine_orchestrator.cache.objects import Objects, ObjectsFault

logger = logging.getLogger(__name__)

LOOK_S = 5.0
FIRST_LOOK_S = 2.0  # so long the first request waits for the first look
SKEW_S = 600.0  # hosts' clocks may differ by so much: names so old are looked at again
READ_AT_ONCE = 32  # a host that was off for long has many to read before its first answer
KEPT_S = 5 * 24 * 3600.0  # longer than any value lives in memory or on disk


class Cursor(NamedTuple):
    """How far a host has read: names before `offset` are done, and so are those in `seen`."""

    offset: str = ""
    seen: frozenset[str] = frozenset()


class Feed:
    """Tells invalidations and reads those of other hosts."""

    def __init__(self, objects: Objects, host: str, now: Callable[[], float] = time.time) -> None:
        """`host` is a word without "-": its own invalidations are not news to it."""
        self.objects, self.host, self.now = objects, host, now

    async def tell(self, owner: str) -> None:
        """Let the other hosts know. Raises ObjectsFault."""
        name = f"{_stamp(self.now())}-{self.host}-{secrets.token_hex(4)}"
        await self.objects.put(f"{FEED}/{name}", owner.encode("utf-8", "surrogatepass"))

    async def news(self, cursor: Cursor) -> tuple[list[str], Cursor]:
        """The owners that others invalidated since, and the next cursor. Raises ObjectsFault."""
        listing = self.objects.list(FEED, f"{FEED}/{cursor.offset}")
        names = [listed.path.rpartition("/")[2] async for listed in listing]
        fresh = [name for name in names if name not in cursor.seen and name.split("-")[1:2] != [self.host]]
        told: list[bytes | None] = []
        for start in range(0, len(fresh), READ_AT_ONCE):
            paths = [f"{FEED}/{name}" for name in fresh[start : start + READ_AT_ONCE]]
            told += await asyncio.gather(*map(self.objects.get, paths))
        owners = {owner.decode("utf-8", "surrogatepass") for owner in told if owner is not None}
        return sorted(owners), Cursor(_stamp(self.now() - SKEW_S), frozenset(names))

    async def sweep(self) -> None:
        """Delete what is too old to matter to anyone. Raises ObjectsFault."""
        limit = _stamp(self.now() - KEPT_S)
        old = [one.path async for one in self.objects.list(FEED) if one.path.rpartition("/")[2] < limit]
        if old:
            await self.objects.delete(old)


class Watch:
    """Looks at the feed now and then, from the first request to `close`; one process of a host at a time."""

    def __init__(
        self, feed: Feed, forget: Callable[[str], Awaitable[None]], folder: Path | None = None
    ) -> None:
        """`forget` empties memory and disk of an owner. folder: keeps the cursor; None: this process does."""
        self.feed, self.forget, self.folder = feed, forget, folder
        self._cursor = Cursor()
        self._task: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    async def begun(self) -> None:
        """Start looking, and wait for the first look within a bound."""
        if self._looked.is_set():
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(FIRST_LOOK_S):
                await self._looked.wait()
        except TimeoutError:
            self._looked.set()  # the store does not answer: go on without

    async def close(self) -> None:
        """Stop looking."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Forget what others have invalidated; another process of this host may be at it already."""
        lock = self._lock()
        if lock is None and self.folder is not None:
            return
        try:
            owners, cursor = await self.feed.news(self._read())
            for owner in owners:
                await self.forget(owner)
            self._write(cursor)
        finally:
            if lock is not None:
                os.close(lock)

    async def _run(self) -> None:
        swept, said = False, None
        while True:
            try:
                await self.look()
                if not swept:
                    await self.feed.sweep()
                    swept = True
            except ObjectsFault as error:
                if type(error) is not said:  # once for each kind of fault, not every few seconds
                    logger.warning("invalidations of other hosts cannot be read: %s", error)
                said = type(error)
            except Exception:
                logger.exception("invalidations of other hosts cannot be followed")
            self._looked.set()
            await asyncio.sleep(LOOK_S)

    def _lock(self) -> int | None:
        """The lock of the host's watcher, None if another process has it or there is no folder."""
        if self.folder is None:
            return None
        fd = os.open(self.folder / "feed.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def _read(self) -> Cursor:
        if self.folder is None:
            return self._cursor
        try:
            told = json.loads((self.folder / "feed.json").read_text())
            return Cursor(told["offset"], frozenset(told["seen"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Cursor()  # all that is there is news

    def _write(self, cursor: Cursor) -> None:
        self._cursor = cursor
        if self.folder is None:
            return
        draft = self.folder / f"feed.{os.getpid()}.draft"
        draft.write_text(json.dumps({"offset": cursor.offset, "seen": sorted(cursor.seen)}))
        os.replace(draft, self.folder / "feed.json")


def host_name(folder: Path | None) -> str:
    """A word for the processes that share `folder`, kept in it; for this process alone without one.

    A process that cannot know it takes one of its own: invalidations of its host are then news to it, which
    costs it what was made since, and never serves anything stale.
    """
    fresh = secrets.token_hex(8)
    if folder is None:
        return fresh
    path = folder / "host"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            file.write(fresh)
    except FileExistsError:
        return _read_word(path) or fresh
    except OSError as error:
        logger.warning("the cache folder cannot keep this host's name: %s", error.strerror)
    return fresh


def _read_word(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _stamp(at_s: float) -> str:
    return f"{int(max(0.0, at_s) * 1000):015d}"
