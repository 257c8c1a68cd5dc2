"""The calls of the object store that the cache uses, over obstore; each is bounded in time.

Timeouts and retries are set because obstore's defaults wait for minutes. obstore verifies no checksums, so
the store tier compares every digest itself.
"""

from __future__ import annotations

import asyncio
import atexit
import builtins
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import obstore
from obstore import Bytes
from obstore.exceptions import InvalidPathError
from vitrine.errors import Unavailable
from vitrine.listing import list_objects
from vitrine.s3 import Patience as Patience
from vitrine.s3 import Place as Place
from vitrine.s3 import odd_key, open_bucket, region_of
from vitrine.store_calls import check_process, in_own_thread
from vitrine.store_errors import FailureKind, failure_kind, is_translatable, reason_of

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store

T = TypeVar("T")
PART_BYTES = 2 * 2**20  # a larger object is read in concurrent parts of this size
LAST_WORDS_S = 0.1  # for which a process that used a store waits at its end

Buffer = Bytes | bytes


class ObjectsFault(Exception):
    """The store failed: no answer in time, an error of its own, no credentials, or no such bucket."""


class Refused(ObjectsFault):
    """The store refused access (401, 403, expired credentials): not the same as a missing object."""


class Hidden(Refused):
    """403 for one object: it is missing or forbidden, which only s3:ListBucket can distinguish."""


class OddKeys(ObjectsFault):
    """A listing has keys that obstore cannot name."""


class Missing(ObjectsFault):
    """There is no such object."""


class Changed(ObjectsFault):
    """The object was replaced by another one since its tag was read."""


class Listed(NamedTuple):
    """One object of a listing."""

    path: str
    size: int


class Objects(Protocol):
    """Objects by path; paths are plain ASCII segments joined by '/'."""

    async def get(self, path: str) -> bytes | None:
        """The whole of a small object, None if there is none. Raises ObjectsFault."""
        ...

    async def get_range(self, path: str, start: int, end: int, tag: str | None) -> Buffer:
        """These bytes of the object with this tag; Changed if another or none is there, or ObjectsFault."""
        ...

    async def put(self, path: str, data: bytes) -> str | None:
        """Write one object, whole or not at all; its tag. Raises ObjectsFault."""
        ...

    async def delete(self, paths: Sequence[str]) -> None:
        """Delete objects, missing ones included. Raises ObjectsFault."""
        ...

    def list(self, prefix: str, after: str | None = None) -> AsyncIterator[Listed]:
        """Every object whose path begins with the segments of `prefix`, and comes after `after`.

        In the order of their paths. Raises ObjectsFault.
        """
        ...

    async def every_key(self, prefix: str = "") -> builtins.list[Listed]:
        """Every object below `prefix` by its exact key, odd keys included. Raises ObjectsFault."""
        ...

    def renew_credentials(self) -> None:
        """Load the credentials again before the next call."""
        ...


def ranges(size: int) -> list[tuple[int, int]]:
    """(start, end) in bytes of each part of an object of `size` bytes."""
    return [(start, min(start + PART_BYTES, size)) for start in range(0, size, PART_BYTES)]


async def get_whole(objects: Objects, path: str, size: int) -> bytes:
    """An object of `size` bytes, read in concurrent parts. Raises ObjectsFault."""
    return b"".join(
        await asyncio.gather(*(objects.get_range(path, start, end, None) for start, end in ranges(size)))
    )


class S3Objects:
    """Objects in S3 or a compatible store. Connects and loads credentials at the first call."""

    def __init__(self, place: Place, patience: Patience | None = None) -> None:
        self.place, self.patience = place, patience or Patience()
        self.hidden = 0  # gets that were answered 403 and treated as missing
        self._store: S3Store | None = None
        self._opening: Future[S3Store] | None = None
        self._compares_tags = True  # whether the store knows If-Match

    async def get(self, path: str) -> bytes | None:
        """See Objects."""

        async def read(store: S3Store) -> bytes:
            return bytes(await (await obstore.get_async(store, path)).bytes_async())

        try:
            return await self._call(read)
        except Hidden:
            self.hidden += 1
            return None
        except Missing:
            return None

    async def get_range(self, path: str, start: int, end: int, tag: str | None) -> Buffer:
        """See Objects; sends If-Match, so ranges of two versions are never joined.

        A store without it gives each part all the same: the caller compares their digests.
        """
        options: GetOptions = {"range": (start, end)}
        if tag is not None and self._compares_tags:
            options["if_match"] = tag

        async def read(store: S3Store) -> Buffer:
            return await (await obstore.get_async(store, path, options=options)).bytes_async()

        try:
            part = await self._call(read)
        except Missing as error:
            raise Changed(f"{path} is gone") from error
        except ObjectsFault as error:
            if "if_match" not in options or not str(error).startswith("501 "):
                raise
            self._compares_tags = False
            return await self.get_range(path, start, end, tag)
        if len(part) != end - start:
            raise Changed(f"{path}: {len(part)} bytes from {start}, expected {end - start}")
        return part

    async def put(self, path: str, data: bytes) -> str | None:
        """See Objects; obstore uploads in several parts from 5 MB on."""

        async def write(store: S3Store) -> str | None:
            return _comparable((await obstore.put_async(store, path, data))["e_tag"])

        return await self._call(write)

    async def delete(self, paths: Sequence[str]) -> None:
        """See Objects."""
        await self._call(lambda store: obstore.delete_async(store, list(paths)))

    async def list(self, prefix: str, after: str | None = None) -> AsyncIterator[Listed]:
        """See Objects; falls back to `every_key` if the listing contains an odd key."""
        try:
            async for one in self._list_plain(prefix, after):
                yield one
                after = one.path
        except OddKeys:
            for one in await self.every_key(prefix):
                if not odd_key(one.path) and (after is None or one.path > after):
                    yield one

    async def every_key(self, prefix: str = "") -> builtins.list[Listed]:
        """See Objects; for odd keys see `odd_key`."""

        def rows(store: S3Store) -> builtins.list[Listed]:
            return [Listed(row.key, row.size) for row in list_objects(store, prefix)]

        return await self._call(lambda store: asyncio.to_thread(rows, store))

    def renew_credentials(self) -> None:
        """See Objects."""
        self._store = None

    async def _list_plain(self, prefix: str, after: str | None) -> AsyncIterator[Listed]:
        store = await self._call(_same_store)
        try:
            async for rows in obstore.list(store, prefix, offset=after):
                for row in rows:
                    yield Listed(row["path"], row["size"])
        except InvalidPathError as error:
            raise OddKeys(reason_of(error)) from error
        except BaseException as error:
            raise await self._fault(error) from error

    async def _call(self, call: Callable[[S3Store], Awaitable[T]]) -> T:
        """The result of `call`; every failure, including a panic of the library, becomes an ObjectsFault."""
        try:
            return await call(await self._open())
        except BaseException as error:
            raise await self._fault(error) from error

    async def _fault(self, error: BaseException) -> BaseException:
        """The error as an ObjectsFault; a cancellation is returned unchanged."""
        if isinstance(error, ObjectsFault) or not is_translatable(error):
            return error
        if isinstance(error, Unavailable):  # no credentials, or a forked process
            return Refused(str(error))
        reason = await asyncio.to_thread(reason_of, error, lambda: region_of(self.place))
        return _FAULTS[failure_kind(error)](reason)

    async def _open(self) -> S3Store:
        """The store. All callers wait for one opening, which has a thread of its own: it may take minutes."""
        check_process()
        if self._store is None:
            opening = self._opening = self._opening or in_own_thread(self._opened)
            try:
                self._store = await asyncio.wrap_future(opening)
            finally:
                if opening.done() and self._opening is opening:
                    self._opening = None
        return self._store

    def _opened(self) -> S3Store:
        wait_at_exit()
        store = open_bucket(self.place, self.patience)
        assert store.credential_provider, "open_bucket sets it"
        store.credential_provider()  # here and not at the first call, because obstore's few threads call it
        return store


@cache
def wait_at_exit() -> None:
    """Have this process wait at its end until obstore's threads have let go of what the last call returned.

    One that needs the interpreter for it while the interpreter ends would abort the process (SIGABRT).
    """
    atexit.register(time.sleep, LAST_WORDS_S)


def _comparable(tag: str | None) -> str | None:
    """The tag in the form that If-Match compares: some stores answer a put with a weak or unquoted one."""
    return f'"{tag.removeprefix("W/").strip(chr(34))}"' if tag else None


async def _same_store(store: S3Store) -> S3Store:
    return store


_FAULTS: dict[FailureKind, type[ObjectsFault]] = {
    FailureKind.MISSING: Missing,
    FailureKind.HIDDEN: Hidden,
    FailureKind.REFUSED: Refused,
    FailureKind.CHANGED: Changed,
    FailureKind.FAILED: ObjectsFault,
}
