"""Passes invalidations to other hosts: a list of objects in the object store, newest last.

Every invalidation writes one small object, named by its time. Each host lists new names every LOOK_S seconds
and invalidates their owners in its memory and on its disk. So another host's memory and disk follow within
LOOK_S and the time of one listing; its reads from the store itself follow immediately.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from vitrine_orchestrator.cache.key import EVERYTHING
from vitrine_orchestrator.cache.layout import FEED
from vitrine_orchestrator.cache.objects import Objects, ObjectsFault
from vitrine_orchestrator.cache.tier import CacheCounters

logger = logging.getLogger(__name__)

LOOK_S = 5.0
FIRST_LOOK_S = 2.0  # the first request waits at most this long for the first listing
SKEW_S = 600.0  # hosts' clocks may differ by this much: names this old are listed again
READ_AT_ONCE = 32  # objects read concurrently: a host that was off for long has many to read
_NAME = re.compile(r"\d{15}-[^-/]+-[^-/]+")  # time, host, random
_HOST = re.compile(r"[0-9a-f]{16}")
KEPT_S = 5 * 24 * 3600.0  # longer than any value lives in memory or on disk


class Cursor(NamedTuple):
    """How far a host has read: names before `offset`, and those in `seen`, are done."""

    offset: str = ""
    seen: frozenset[str] = frozenset()


class Feed:
    """Publishes invalidations and reads those of other hosts."""

    def __init__(
        self,
        objects: Objects,
        host: str,
        now: Callable[[], float] = time.time,
        counters: CacheCounters | None = None,
    ) -> None:
        """`host` is a word without "-"; `news` leaves out invalidations of this host."""
        self.objects, self.host, self.now = objects, host, now
        self.counters = counters or CacheCounters()

    async def publish(self, owner: str) -> None:
        """Publish an invalidation of `owner` to the other hosts. Raises ObjectsFault."""
        name = f"{_stamp(self.now())}-{self.host}-{secrets.token_hex(4)}"
        await self.objects.put(f"{FEED}/{name}", owner.encode("utf-8", "surrogatepass"))

    async def news(self, cursor: Cursor) -> tuple[list[str], Cursor]:
        """(owners that other hosts invalidated since `cursor`, the next cursor). Raises ObjectsFault.

        Objects that name no owner are counted as corrupt and skipped.
        """
        listing = self.objects.list(FEED, f"{FEED}/{cursor.offset}")
        names = [listed.path.removeprefix(f"{FEED}/") async for listed in listing]
        new = [name for name in names if name not in cursor.seen and name.split("-")[1:2] != [self.host]]
        fresh = [name for name in new if _NAME.fullmatch(name)]
        contents: list[bytes | None] = []
        for start in range(0, len(fresh), READ_AT_ONCE):
            paths = [f"{FEED}/{name}" for name in fresh[start : start + READ_AT_ONCE]]
            contents += await asyncio.gather(*map(self.objects.get, paths))
        owners = [_owner(content) for content in contents if content is not None]
        self.counters.add("corrupt", len(new) - len(fresh) + owners.count(None))
        found = {owner for owner in owners if owner is not None}
        return sorted(found), Cursor(_stamp(self.now() - SKEW_S), frozenset(names))

    async def sweep(self) -> None:
        """Delete objects older than KEPT_S, which no host needs. Raises ObjectsFault."""
        limit = _stamp(self.now() - KEPT_S)
        names = [one.path.removeprefix(f"{FEED}/") async for one in self.objects.list(FEED)]
        old = [f"{FEED}/{name}" for name in names if _NAME.fullmatch(name) and name < limit]
        if old:
            await self.objects.delete(old)


class FeedFollower:
    """Reads the feed every LOOK_S from the first request to `close`; one process of a host at a time."""

    def __init__(
        self, feed: Feed, forget: Callable[[str], Awaitable[None]], folder: Path | None = None
    ) -> None:
        """`forget` removes an owner's values from memory and disk.

        folder: where the cursor is stored; None: in this process.
        """
        self.feed, self.forget, self.folder = feed, forget, folder
        self._cursor = Cursor()
        self._unwritten = False  # whether the cursor of this process is newer than the folder's
        self._logged: set[str] = set()  # kinds of faults since the last poll without one
        self._task: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    async def started(self) -> None:
        """Start reading the feed, and wait at most FIRST_LOOK_S for the first listing."""
        if self._looked.is_set():
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(FIRST_LOOK_S):
                await self._looked.wait()
        except TimeoutError:
            self._looked.set()  # the store does not answer: continue without it

    async def close(self) -> None:
        """Stop reading the feed."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Read the feed once and apply it, unless another process of this host is doing so."""
        with self._turn() as ours:
            if not ours:
                return
            owners, cursor = await self.feed.news(self._read())
            for owner in owners:
                await self.forget(owner)
            self._write(cursor)

    async def _run(self) -> None:
        swept = False
        while True:
            try:
                await self.look()
                if not swept:
                    await self.feed.sweep()
                    swept = True
                self._logged.intersection_update({"folder"})
            except ObjectsFault as error:
                self._log_once(type(error).__name__, "invalidations of other hosts cannot be read: %s", error)
            except Exception as error:
                kind = type(error).__name__
                self._log_once(kind, "invalidations of other hosts cannot be followed: %r", error)
            self._looked.set()
            await asyncio.sleep(LOOK_S)

    def _log_once(self, kind: str, message: str, error: Exception) -> None:
        """Log a kind of fault once, not every few seconds."""
        if kind not in self._logged:
            self._logged.add(kind)
            logger.warning(message, error, exc_info=not isinstance(error, ObjectsFault | OSError))

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Hold the lock of the host's reader; yields False if another process has it.

        Where there is no folder, or one without locks, every process reads for itself: an invalidation
        that is applied twice costs a few recomputed values.
        """
        if self.folder is None:
            yield True
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd, ours = -1, True
        try:
            fd = os.open(self.folder / "feed.lock", flags, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            ours = False
        except OSError as error:
            self._log_once("folder", "the cache folder takes no lock or cursor of invalidations: %s", error)
        try:
            yield ours
        finally:
            if fd >= 0:
                os.close(fd)

    def _read(self) -> Cursor:
        if self.folder is None or self._unwritten:
            return self._cursor
        try:
            stored = json.loads((self.folder / "feed.json").read_text(encoding="utf-8"))
            return Cursor(stored["offset"], frozenset(stored["seen"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Cursor()  # read the whole feed again

    def _write(self, cursor: Cursor) -> None:
        self._cursor = cursor
        if self.folder is None:
            return
        draft = self.folder / f"feed.{os.getpid()}.draft"
        try:
            draft.write_text(
                json.dumps({"offset": cursor.offset, "seen": sorted(cursor.seen)}), encoding="utf-8"
            )
            os.replace(draft, self.folder / "feed.json")
            self._unwritten = False
        except OSError as error:
            self._unwritten = True
            self._log_once("folder", "the cache folder takes no lock or cursor of invalidations: %s", error)
            with suppress(OSError):
                draft.unlink()


def host_name(folder: Path | None) -> str:
    """The name of this host, stored in `folder` and shared by its processes; without a folder a new name.

    A process that cannot read the name uses a new one. It then applies its own host's invalidations a second
    time, which can cost a few recomputed values and never serves a stale one.
    """
    fresh = secrets.token_hex(8)
    if folder is None:
        return fresh
    path = folder / "host"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(fresh)
    except FileExistsError:
        return _read_word(path) or fresh
    except OSError as error:
        logger.warning("the cache folder cannot keep this host's name: %s", error.strerror)
    return fresh


def _read_word(path: Path) -> str:
    """The host's name in a file; "" if it cannot be read or is none."""
    try:
        word = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return word if _HOST.fullmatch(word) else ""


def _owner(content: bytes) -> str | None:
    """The owner that an object of the feed names; None if it names none."""
    try:
        owner = content.decode("utf-8", "surrogatepass")
    except ValueError:
        return None
    return owner if owner == EVERYTHING or ":" in owner else None


def _stamp(at_s: float) -> str:
    return f"{int(max(0.0, at_s) * 1000):015d}"
