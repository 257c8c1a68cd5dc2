"""Keeps finished pictures in an object store, in the old service's layout.

vto/{user}/{key}.png      the picture; its story (JSON) is the object's metadata, so one write stores both
vto/{user}/{key}.hidden   an empty mark: the picture is left out of lists
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from vitrine.errors import NotFound, Unavailable, VitrineError
from vitrine.keys import path_segment, result_path
from vitrine.listing import list_objects, place_of_store
from vitrine.s3 import odd_key, region_of
from vitrine.store_errors import FailureKind, failure_kind, is_translatable, reason_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Store

logger = logging.getLogger(__name__)

MAX_STORY_BYTES = 1900  # longer stories are shortened: S3 limits metadata to 2 KB, names included
_STORY = "vitrine"  # the name of the metadata: x-amz-meta-vitrine
_PICTURE, _HIDDEN = ".png", ".hidden"


@dataclass(frozen=True)
class Found:
    """A picture from the store."""

    encoded: bytes  # PNG
    story: Mapping[str, Any]  # how it was computed; empty for results of the old service


@dataclass(frozen=True)
class Entry:
    """One picture in a user's list."""

    key: str
    size: int  # bytes
    modified: datetime
    hidden: bool


class Shelf:
    """Keeps finished pictures. A failure of the store raises Unavailable after a few seconds at most."""

    def __init__(self, store: ObjectStore) -> None:
        """`store` is a store of obstore, for example from `vitrine.stores.open_store`."""
        self._store = store
        self._hidden_said = False

    def find(self, *, user: str, key: str) -> Found | None:
        """Return the picture of a key, or None; a damaged one raises Unavailable."""
        path = result_path(user, key)
        try:
            with self._translated("read", path):
                answer = self._store.get(path)
                encoded, attributes = bytes(answer.bytes()), answer.attributes
        except NotFound:
            return None
        story = _read_story(attributes.get(_STORY, "{}"), path)
        if story.get("sha256", _digest(encoded)) != _digest(encoded):
            raise Unavailable(f"{path} is damaged: its {len(encoded)} bytes are not those that were stored")
        return Found(encoded, MappingProxyType(story))

    def keep(self, *, user: str, key: str, encoded: bytes, story: Mapping[str, Any]) -> None:
        """Store a picture with its story, both or neither; a long description is replaced by its digest."""
        path = result_path(user, key)
        attributes = {
            "Content-Type": "image/png",
            _STORY: _write_story({**story, "sha256": _digest(encoded)}),
        }
        with self._translated("write", path):
            self._store.put(path, encoded, attributes=attributes, use_multipart=False)

    def entries(self, *, user: str, hidden: bool = False) -> list[Entry]:
        """Return a user's pictures, the newest first; `hidden` includes hidden ones."""
        objects = {meta["path"].rpartition("/")[2]: meta for meta in self._objects(user)}
        found = [
            Entry(
                key=name.removesuffix(_PICTURE),
                size=meta["size"],
                modified=meta["last_modified"],
                hidden=name.removesuffix(_PICTURE) + _HIDDEN in objects,
            )
            for name, meta in objects.items()
            if name.endswith(_PICTURE)
        ]
        found.sort(key=lambda entry: entry.modified, reverse=True)
        return [entry for entry in found if hidden or not entry.hidden]

    def hide(self, *, user: str, key: str, hidden: bool = True) -> None:
        """Hide a picture from lists, or show it again; `find` returns it in both cases."""
        picture, mark = result_path(user, key), result_path(user, key, _HIDDEN)
        with self._translated("write", mark):
            try:
                with self._translated("read", picture):
                    self._store.head(picture)
            except NotFound:
                raise NotFound(f"no result {key} of this user") from None
            if hidden:
                self._store.put(mark, b"", use_multipart=False)
            else:
                self._delete([mark])

    def purge(self, *, user: str, key: str | None = None) -> int:
        """Delete one picture or all pictures of a user; return the number of deleted pictures."""
        paths = [meta["path"] for meta in self._objects(user)]
        if key is not None:
            paths = [path for path in paths if path.startswith(result_path(user, key, "."))]
        with self._translated("delete", f"vto/{path_segment(user)}"):
            self._delete(paths)
        return sum(path.endswith(_PICTURE) for path in paths)

    def _objects(self, user: str) -> list[Mapping[str, Any]]:
        """Return all objects of a user, and none of a user whose id has the same prefix."""
        folder = f"vto/{path_segment(user)}/"
        with self._translated("list", folder):
            return [meta for meta in self._listed(folder) if meta["path"].startswith(folder)]

    def _listed(self, folder: str) -> list[Mapping[str, Any]]:
        """Return the objects below a folder. A key that obstore cannot name is no result, and is skipped."""
        from obstore.exceptions import InvalidPathError

        try:
            return [dict(meta) for chunk in self._store.list(folder) for meta in chunk]
        except InvalidPathError:
            rows = list_objects(cast("S3Store", self._store), folder)
            return [
                {"path": row.key, "size": row.size, "last_modified": row.modified}
                for row in rows
                if not odd_key(row.key)
            ]

    @contextmanager
    def _translated(self, verb: str, path: str) -> Iterator[None]:
        """Raise the store's errors as NotFound, or as Unavailable with the object and the reason."""
        try:
            yield
        except VitrineError:
            raise
        except BaseException as error:
            if not is_translatable(error):
                raise
            kind = failure_kind(error)
            if verb == "read" and kind is FailureKind.HIDDEN:
                self._say_hidden()
            if kind is FailureKind.MISSING or (verb == "read" and kind is FailureKind.HIDDEN):
                raise NotFound(f"{path} is not in the result store") from error
            reason = reason_of(error, lambda: region_of(place_of_store(cast("S3Store", self._store))))
            raise Unavailable(f"the result store cannot {verb} {path}: {reason}") from error

    def _say_hidden(self) -> None:
        if not self._hidden_said:
            self._hidden_said = True
            logger.warning(
                "the result store answers 403 where a picture may not exist, which is read as not there; "
                "with s3:ListBucket on the bucket it would say which"
            )

    def _delete(self, paths: list[str]) -> None:
        with suppress(FileNotFoundError):  # another process has deleted it
            if paths:
                self._store.delete(paths)


def _write_story(story: Mapping[str, Any]) -> str:
    """Return ASCII JSON within S3's limit: the longest texts among the parameters become digests."""
    parameters = dict(story.get("parameters", {}))
    while len(text := json.dumps({**story, "parameters": parameters})) > MAX_STORY_BYTES:
        sizes = {name: len(json.dumps(value)) for name, value in parameters.items()}
        longest = max(sizes, key=sizes.__getitem__, default=None)
        if longest is None or sizes[longest] < 80:  # a digest would not be shorter
            raise Unavailable(f"a result's story must have at most {MAX_STORY_BYTES} bytes, got {len(text)}")
        parameters[longest] = "sha256:" + _digest(json.dumps(parameters[longest]).encode())
    return text


def _read_story(text: str, path: str) -> dict[str, Any]:
    try:
        story = json.loads(text)
    except ValueError as error:
        raise Unavailable(f"{path} is damaged: its story is not JSON") from error
    if not isinstance(story, dict):
        raise Unavailable(f"{path} is damaged: its story is not a JSON object")
    return story


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
