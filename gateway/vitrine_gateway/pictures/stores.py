"""Where pictures are kept: a folder, or an object store. Paths begin with the account and the person."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from vitrine.errors import NotFound, Unavailable, VitrineError
from vitrine.keys import path_segment
from vitrine.store_errors import FailureKind, failure_kind, is_translatable, reason_of
from vitrine.stores import open_store

from vitrine_gateway.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

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
    """Return the store of these settings."""
    if not settings.pictures:
        return Folder(settings.data / "pictures")
    return Objects(open_store(settings.pictures, endpoint=settings.pictures_endpoint or None))


def picture_path(account_id: str, user: str, file_id: str) -> str:
    """Return the path of a picture, safe for any user."""
    return f"{person_folder(account_id, user)}/{file_id}"


def person_folder(account_id: str, user: str) -> str:
    """Return the folder of all pictures of a person; "" is the person of calls that name none."""
    return f"{account_id}/{path_segment(user)}"


class Folder:
    """Pictures as files. A file appears under its name when it is whole and on the disk."""

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
        with suppress(NotFound):
            await asyncio.to_thread(_os_errors, (self._root / path).unlink)

    async def paths(self, prefix: str) -> list[str]:
        """See PictureStore."""
        folder = self._root / prefix
        found = await asyncio.to_thread(lambda: [one for one in folder.rglob("*") if one.is_file()])
        return [one.relative_to(self._root).as_posix() for one in found]

    @staticmethod
    def _put(target: Path, content: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


class Objects:
    """Pictures in an object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, path: str, content: bytes) -> None:
        """See PictureStore."""
        await _called(path, lambda: self._store.put(path, content, use_multipart=False))

    async def get(self, path: str) -> bytes:
        """See PictureStore."""
        return await _called(path, lambda: bytes(self._store.get(path).bytes()))

    async def delete(self, path: str) -> None:
        """See PictureStore."""
        with suppress(NotFound):
            await _called(path, lambda: self._store.delete(path))

    async def paths(self, prefix: str) -> list[str]:
        """See PictureStore."""
        folder = f"{prefix}/" if prefix else ""
        listed = await _called(
            prefix, lambda: [meta["path"] for chunk in self._store.list(prefix or None) for meta in chunk]
        )
        return [path for path in listed if path.startswith(folder)]


async def _called(path: str, call: Callable[[], Value]) -> Value:
    """Run a call of obstore in a thread; raise its errors as NotFound or Unavailable."""
    try:
        return await asyncio.to_thread(call)
    except VitrineError:
        raise
    except BaseException as error:
        if not is_translatable(error):
            raise
        if failure_kind(error) in (FailureKind.MISSING, FailureKind.HIDDEN):
            raise NotFound(f"{path} is not in the store of pictures") from error
        raise Unavailable(f"the store of pictures fails: {reason_of(error)}") from error


def _os_errors(call: Callable[..., Value], *arguments: object) -> Value:
    try:
        return call(*arguments)
    except FileNotFoundError as error:
        raise NotFound("the picture is not in the folder of pictures") from error
    except OSError as error:
        raise Unavailable(f"the folder of pictures fails: {error.strerror}") from error
