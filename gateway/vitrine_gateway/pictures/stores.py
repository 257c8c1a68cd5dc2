"""Where pictures are kept: a folder, or an object store. Paths begin with the account and the person."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

from vitrine.errors import BadRequest, NotFound, Unavailable, VitrineError
from vitrine.keys import path_segment
from vitrine.listing import listed
from vitrine.s3 import Patience, checked_endpoint, open_bucket, place_of
from vitrine.store_calls import StoreCalls, check_process
from vitrine.store_errors import Verb, is_translatable, means_missing, reason_of

from vitrine_gateway.errors import BadSettings
from vitrine_gateway.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Store

THREADS = 32  # calls of the object store at the same time
_PATIENCE = Patience(connect_s=2.0, request_s=10.0, retries=2, retry_s=15.0)

Value = TypeVar("Value")


class PictureStore(Protocol):
    """Keeps bytes by path. Raises NotFound for a missing path and Unavailable for a store that fails."""

    async def put(self, path: str, content: bytes) -> None:
        """Keep the content, whole or not at all."""
        ...

    async def get(self, path: str) -> bytes:
        """Return the content."""
        ...

    async def delete(self, path: str) -> None:
        """Remove the content; a missing one is no error."""
        ...

    async def paths(self, prefix: str) -> list[str]:
        """Return every path that begins with the folder `prefix`, "" for all."""
        ...


def open_pictures(settings: Settings) -> PictureStore:
    """Return the store of these settings.

    Raises BadSettings for an address or a configuration of AWS that cannot be used, and Unavailable without
    credentials.
    """
    if not settings.pictures:
        return Folder(settings.data / "pictures")
    try:
        if endpoint := settings.pictures_endpoint or None:
            endpoint = checked_endpoint(endpoint, "its address (GATEWAY_PICTURES_ENDPOINT)")
        store = open_bucket(place_of(settings.pictures, endpoint), _PATIENCE)
    except BadRequest as error:
        raise BadSettings(f"GATEWAY_PICTURES: {error}") from error
    _find_credentials(store)
    return Objects(store)


def _find_credentials(store: S3Store) -> None:
    """Raise Unavailable if there are none, so that the start fails and not each call."""
    assert store.credential_provider, "open_bucket sets it"
    try:
        StoreCalls().run(store.credential_provider)
    except Exception as error:
        raise Unavailable(f"GATEWAY_PICTURES: {reason_of(error)}") from error


def picture_path(account_id: str, user: str, file_id: str) -> str:
    """Return the path of a picture, safe for any user."""
    return f"{person_folder(account_id, user)}/{file_id}"


def person_folder(account_id: str, user: str) -> str:
    """Return the folder of all pictures of a person; "" is the person of calls that name none."""
    return f"{account_id}/{path_segment(user)}"


class Folder:
    """Pictures as files. A file appears under its name when it is whole and on the disk.

    A folder bears the name of a person, so it goes with its last file.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, path: str, content: bytes) -> None:
        """See PictureStore."""
        await asyncio.to_thread(_os_errors, self._put, self._root / path, content)

    async def get(self, path: str) -> bytes:
        """See PictureStore."""
        return await asyncio.to_thread(_os_errors, (self._root / path).read_bytes)

    async def delete(self, path: str) -> None:
        """See PictureStore."""
        await asyncio.to_thread(_os_errors, _remove, self._root / path)

    async def paths(self, prefix: str) -> list[str]:
        """See PictureStore."""
        found = await asyncio.to_thread(_os_errors, _files, self._root / prefix)
        return [one.relative_to(self._root).as_posix() for one in found]

    @staticmethod
    def _put(target: Path, content: bytes) -> None:
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with _new_file(partial) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            _remove(partial)


class Objects:
    """Pictures in an object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, "gateway-pictures")  # others must not wait for a store

    async def put(self, path: str, content: bytes) -> None:
        """See PictureStore."""
        await self._called("write", lambda: self._store.put(path, content, use_multipart=False))

    async def get(self, path: str) -> bytes:
        """See PictureStore."""
        return await self._called("read", lambda: bytes(self._store.get(path).bytes()))

    async def delete(self, path: str) -> None:
        """See PictureStore."""
        with suppress(NotFound):
            await self._called("delete", lambda: self._store.delete(path))

    async def paths(self, prefix: str) -> list[str]:
        """See PictureStore."""
        folder = f"{prefix}/" if prefix else ""
        found = await self._called("list", lambda: [one["path"] for one in listed(self._store, prefix)])
        return [path for path in found if path.startswith(folder)]

    async def _called(self, verb: Verb, call: Callable[[], Value]) -> Value:
        """Run a call of obstore in a thread; raise its errors as NotFound or Unavailable.

        Neither names the path, which has the person's name: logs tell of errors.
        """
        check_process()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except VitrineError as error:
            raise Unavailable(f"the store of pictures fails: {error}") from error
        except BaseException as error:
            if not is_translatable(error):
                raise
            if means_missing(error, verb):
                raise NotFound("the picture is not in the store of pictures") from error
            raise Unavailable(f"the store of pictures fails: {reason_of(error)}") from error


def _files(folder: Path) -> list[Path]:
    """Return every file below a folder. Raises OSError for a part that cannot be read."""

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # it was deleted meanwhile, or never made
            raise error

    return [Path(inside) / name for inside, _, names in os.walk(folder, onerror=failed) for name in names]


def _new_file(path: Path) -> BinaryIO:
    """Open a file that is not there yet, in a folder that may not be there either.

    A deletion may remove the folder before the file is in it; then it is made a second time.
    """
    with suppress(FileNotFoundError, FileExistsError):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _remove(file: Path) -> None:
    """Remove a file if it is there, and its folder if nothing else is in it."""
    file.unlink(missing_ok=True)
    with suppress(OSError):
        file.parent.rmdir()


def _os_errors(call: Callable[..., Value], *arguments: object) -> Value:
    try:
        return call(*arguments)
    except FileNotFoundError as error:
        raise NotFound("the picture is not in the folder of pictures") from error
    except OSError as error:
        raise Unavailable(f"the folder of pictures fails: {error.strerror}") from error
