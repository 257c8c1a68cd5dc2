"""The object store as the cache needs it: a few calls, each bounded in time, over obstore.

Timeouts and retries are set here because obstore's defaults wait for minutes; checksums are not, because
obstore checks none: every digest is compared by the store tier itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

import obstore
from obstore import Bytes
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Config

PART_BYTES = 2 * 2**20  # a larger object is read in parts of this, at once

Buffer = Bytes | bytes


class ObjectsFault(Exception):
    """The store did not do it: no answer in time, an error of its own, no credentials, no such bucket."""


class Refused(ObjectsFault):
    """The store refused access (401, 403, expired credentials): not the same as a missing object."""


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


@dataclass(frozen=True)
class Place:
    """Where the objects are. endpoint None: Amazon's for the region. keys None: found as boto3 finds them."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    keys: tuple[str, str] | None = None  # access key id and secret: for tests and fixed deployments


@dataclass(frozen=True)
class Patience:
    """Bounds of one request: to connect, to be over, and to be tried again."""

    connect_s: float = 1.0
    request_s: float = 5.0  # one part of 4 MB at 1 MB/s
    retries: int = 2
    retry_s: float = 10.0
    credentials: timedelta = timedelta(minutes=5)  # boto3 renews its own 10 to 15 minutes before they die


class S3Objects:
    """Objects in S3 or a compatible store. Nothing is opened, and no credential looked for, before a call."""

    def __init__(self, place: Place, patience: Patience | None = None) -> None:
        self.place, self.patience = place, patience or Patience()
        self._store: S3Store | None = None

    async def get(self, path: str) -> bytes | None:
        """See Objects."""
        try:
            with _translated():
                answer = await obstore.get_async(await self._open(), path)
                return bytes(await answer.bytes_async())
        except Missing:
            return None

    async def get_range(self, path: str, start: int, end: int, tag: str | None) -> Buffer:
        """See Objects; asked for with If-Match, so ranges of two versions are never joined."""
        options: GetOptions = {"range": (start, end)}
        if tag is not None:
            options["if_match"] = tag
        try:
            with _translated():
                answer = await obstore.get_async(await self._open(), path, options=options)
                part = await answer.bytes_async()
        except Missing as error:
            raise Changed(f"{path} is gone") from error
        if len(part) != end - start:
            raise Changed(f"{path}: {len(part)} bytes from {start}, expected {end - start}")
        return part

    async def put(self, path: str, data: bytes) -> str | None:
        """See Objects; in several parts from 5 MB on."""
        with _translated():
            return (await obstore.put_async(await self._open(), path, data))["e_tag"]

    async def delete(self, paths: Sequence[str]) -> None:
        """See Objects."""
        with _translated():
            await obstore.delete_async(await self._open(), list(paths))

    async def list(self, prefix: str, after: str | None = None) -> AsyncIterator[Listed]:
        """See Objects."""
        with _translated():
            async for rows in obstore.list(await self._open(), prefix, offset=after):
                for row in rows:
                    yield Listed(row["path"], row["size"])

    def renew(self) -> None:
        """See Objects."""
        self._store = None

    async def _open(self) -> S3Store:
        if self._store is None:  # two at once may both open: the last stays
            self._store = await asyncio.to_thread(self._make)
        return self._store

    def _make(self) -> S3Store:
        place, patience = self.place, self.patience
        config: S3Config = {
            "bucket": place.bucket,
            "region": place.region or "us-east-1",
            "checksum_algorithm": "SHA256",  # an upload that was damaged on its way is refused there
        }
        provider = None
        if place.keys:
            config |= {"access_key_id": place.keys[0], "secret_access_key": place.keys[1]}
        else:
            provider = _boto3_credentials(patience.credentials)
            config |= {"region": place.region or provider.config.get("region", "us-east-1")}
        if place.endpoint:
            config |= {"endpoint": place.endpoint, "virtual_hosted_style_request": False}
        return S3Store(
            prefix=place.prefix or None,
            config=config,
            credential_provider=provider,
            client_options={
                "connect_timeout": timedelta(seconds=patience.connect_s),
                "timeout": timedelta(seconds=patience.request_s),
                "allow_http": (place.endpoint or "").startswith("http://"),
            },
            retry_config={
                "max_retries": patience.retries,
                "retry_timeout": timedelta(seconds=patience.retry_s),
                "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1)},
            },
        )


def _boto3_credentials(ttl: timedelta) -> Boto3CredentialProvider:
    from obstore.auth.boto3 import Boto3CredentialProvider  # 0.5 s: boto3

    try:
        return Boto3CredentialProvider(ttl=ttl)
    except ValueError as error:
        raise Refused("no credentials were found") from error


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of obstore as ours."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        if "NoSuchBucket" in str(error):
            raise ObjectsFault("there is no such bucket") from error
        raise Missing("no such object") from error
    except PreconditionError as error:
        raise Changed("another object is in its place") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise Refused(_first_line(error)) from error
    except (BaseError, OSError, ValueError) as error:
        kind = Refused if "ExpiredToken" in str(error) else ObjectsFault
        raise kind(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
