"""The object store as the cache needs it: a few calls, each bounded in time, over obstore.

Timeouts and retries are set here because obstore's defaults wait for minutes; checksums are not, because
obstore checks none: every digest is compared by the store tier itself.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import obstore
from obstore import Bytes
from obstore.exceptions import InvalidPathError
from vitrine.errors import Unavailable
from vitrine.listing import list_objects
from vitrine.s3 import Patience as Patience
from vitrine.s3 import Place as Place
from vitrine.s3 import odd_key, open_bucket, region_of
from vitrine.store_errors import FailureKind, failure_kind, is_translatable, reason_of

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store

T = TypeVar("T")
PART_BYTES = 2 * 2**20  # a larger object is read in parts of this, at once

Buffer = Bytes | bytes


class ObjectsFault(Exception):
    """The store did not do it: no answer in time, an error of its own, no credentials, no such bucket."""


class Refused(ObjectsFault):
    """The store refused access (401, 403, expired credentials): not the same as a missing object."""


class Hidden(Refused):
    """403 for one object: it is missing or forbidden, which is told apart only with s3:ListBucket."""


class OddKeys(ObjectsFault):
    """A listing has keys that obstore cannot name."""


class Missing(ObjectsFault):
    """There is no such object."""


class Changed(ObjectsFault):
    """The object is not the one that was asked for: another was put in its place."""


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
        """Every object below `prefix` by its key as it is, odd ones too. Raises ObjectsFault."""
        ...

    def renew(self) -> None:
        """Take credentials afresh with the next call."""
        ...


def ranges(size: int) -> list[tuple[int, int]]:
    """Where the parts of an object of `size` bytes begin and end."""
    return [(start, min(start + PART_BYTES, size)) for start in range(0, size, PART_BYTES)]


async def get_whole(objects: Objects, path: str, size: int) -> bytes:
    """An object of `size` bytes, in parts at once. Raises ObjectsFault."""
    return b"".join(
        await asyncio.gather(*(objects.get_range(path, start, end, None) for start, end in ranges(size)))
    )


class S3Objects:
    """Objects in S3 or a compatible store. Nothing is opened, and no credential looked for, before a call."""

    def __init__(self, place: Place, patience: Patience | None = None) -> None:
        self.place, self.patience = place, patience or Patience()
        self.hidden = 0  # gets that were answered 403, and read as "not there"
        self._store: S3Store | None = None

    async def get(self, path: str) -> bytes | None:
        """See Objects."""

        async def read(store: S3Store) -> bytes:
            return bytes(await (await obstore.get_async(store, path)).bytes_async())

        try:
            return await self._asked(read)
        except Hidden:
            self.hidden += 1
            return None
        except Missing:
            return None

    async def get_range(self, path: str, start: int, end: int, tag: str | None) -> Buffer:
        """See Objects; asked for with If-Match, so ranges of two versions are never joined."""
        options: GetOptions = {"range": (start, end)}
        if tag is not None:
            options["if_match"] = tag

        async def read(store: S3Store) -> Buffer:
            return await (await obstore.get_async(store, path, options=options)).bytes_async()

        try:
            part = await self._asked(read)
        except Missing as error:
            raise Changed(f"{path} is gone") from error
        if len(part) != end - start:
            raise Changed(f"{path}: {len(part)} bytes from {start}, expected {end - start}")
        return part

    async def put(self, path: str, data: bytes) -> str | None:
        """See Objects; in several parts from 5 MB on."""

        async def write(store: S3Store) -> str | None:
            return (await obstore.put_async(store, path, data))["e_tag"]

        return await self._asked(write)

    async def delete(self, paths: Sequence[str]) -> None:
        """See Objects."""
        await self._asked(lambda store: obstore.delete_async(store, list(paths)))

    async def list(self, prefix: str, after: str | None = None) -> AsyncIterator[Listed]:
        """See Objects; where a key is odd, by way of the keys as they are."""
        try:
            async for one in self._list_plain(prefix, after):
                yield one
                after = one.path
        except OddKeys:
            for one in await self.every_key(prefix):
                if not odd_key(one.path) and (after is None or one.path > after):
                    yield one

    async def every_key(self, prefix: str = "") -> builtins.list[Listed]:
        """Every object below `prefix` by its key as it is, odd ones (see `odd_key`) too. ObjectsFault."""

        def rows(store: S3Store) -> builtins.list[Listed]:
            return [Listed(row.key, row.size) for row in list_objects(store, prefix)]

        return await self._asked(lambda store: asyncio.to_thread(rows, store))

    def renew(self) -> None:
        """See Objects."""
        self._store = None

    async def _list_plain(self, prefix: str, after: str | None) -> AsyncIterator[Listed]:
        store = await self._asked(_itself)
        try:
            async for rows in obstore.list(store, prefix, offset=after):
                for row in rows:
                    yield Listed(row["path"], row["size"])
        except InvalidPathError as error:
            raise OddKeys(reason_of(error)) from error
        except BaseException as error:
            raise await self._fault(error) from error

    async def _asked(self, call: Callable[[S3Store], Awaitable[T]]) -> T:
        """What `call` answers; every failure, a panic of the library too, is an ObjectsFault."""
        try:
            return await call(await self._open())
        except BaseException as error:
            raise await self._fault(error) from error

    async def _fault(self, error: BaseException) -> BaseException:
        """The error as one of ours; a cancellation stays what it is."""
        if isinstance(error, ObjectsFault) or not is_translatable(error):
            return error
        if isinstance(error, Unavailable):  # no credentials
            return Refused(str(error))
        reason = await asyncio.to_thread(reason_of, error, lambda: region_of(self.place))
        return _FAULTS[failure_kind(error)](reason)

    async def _open(self) -> S3Store:
        if self._store is None:  # two at once may both open: the last stays
            self._store = await asyncio.to_thread(open_bucket, self.place, self.patience)
        return self._store


async def _itself(store: S3Store) -> S3Store:
    return store


_FAULTS: dict[FailureKind, type[ObjectsFault]] = {
    FailureKind.MISSING: Missing,
    FailureKind.HIDDEN: Hidden,
    FailureKind.REFUSED: Refused,
    FailureKind.CHANGED: Changed,
    FailureKind.FAILED: ObjectsFault,
}
