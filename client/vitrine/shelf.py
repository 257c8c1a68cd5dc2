"""Finished pictures in an object store, under the old service's layout.

vto/{user}/{key}.png      the picture; its story (JSON) is the object's metadata, so both are written at once
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
from vitrine.listing import every_row, place_of_store
from vitrine.s3 import odd_key, region_of
from vitrine.store_errors import Trouble, is_ours_to_translate, reason_of, trouble_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Store

logger = logging.getLogger(__name__)

MAX_STORY_BYTES = 1900  # S3 takes 2 KB of metadata, names included
_STORY = "vitrine"  # the metadata's name: x-amz-meta-vitrine
_PICTURE, _HIDDEN = ".png", ".hidden"


@dataclass(frozen=True)
class Found:
    """A picture from the store."""

    encoded: bytes  # PNG
    story: Mapping[str, Any]  # how it was made; empty for results of the old service


@dataclass(frozen=True)
class Entry:
    """One picture in a user's list."""

    key: str
    size: int  # bytes
    modified: datetime
    hidden: bool


class Shelf:
    """Keeps finished pictures; what the store cannot do raises Unavailable, and waits for seconds at most."""

    def __init__(self, store: ObjectStore) -> None:
        """`store` is obstore's, such as `vitrine.stores.open_store` gives."""
        self._store = store
        self._hidden_said = False

    def find(self, *, user: str, key: str) -> Found | None:
        """The picture of a key, None where there is none; a damaged one raises Unavailable."""
        path = result_path(user, key)
        try:
            with self._told("read", path):
                answer = self._store.get(path)
                encoded, attributes = bytes(answer.bytes()), answer.attributes
        except NotFound:
            return None
        story = _read_story(attributes.get(_STORY, "{}"), path)
        if story.get("sha256", _digest(encoded)) != _digest(encoded):
            raise Unavailable(f"{path} is damaged: its {len(encoded)} bytes are not those that were stored")
        return Found(encoded, MappingProxyType(story))

    def keep(self, *, user: str, key: str, encoded: bytes, story: Mapping[str, Any]) -> None:
        """Store a picture and its story, both or neither; a long description is kept as its digest."""
        path = result_path(user, key)
        attributes = {
            "Content-Type": "image/png",
            _STORY: _write_story({**story, "sha256": _digest(encoded)}),
        }
        with self._told("write", path):
            self._store.put(path, encoded, attributes=attributes, use_multipart=False)

    def entries(self, *, user: str, hidden: bool = False) -> list[Entry]:
        """A user's pictures, the newest first; with `hidden` those too that are hidden."""
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
        """Leave a picture out of lists, or take it back in; `find` finds it either way."""
        picture, mark = result_path(user, key), result_path(user, key, _HIDDEN)
        with self._told("write", mark):
            try:
                with self._told("read", picture):
                    self._store.head(picture)
            except NotFound:
                raise NotFound(f"no result {key} of this user") from None
            if hidden:
                self._store.put(mark, b"", use_multipart=False)
            else:
                self._delete([mark])

    def purge(self, *, user: str, key: str | None = None) -> int:
        """Delete one picture, or all that is kept for a user; how many pictures are gone."""
        paths = [meta["path"] for meta in self._objects(user)]
        if key is not None:
            paths = [path for path in paths if path.startswith(result_path(user, key, "."))]
        with self._told("delete", f"vto/{path_segment(user)}"):
            self._delete(paths)
        return sum(path.endswith(_PICTURE) for path in paths)

    def _objects(self, user: str) -> list[Mapping[str, Any]]:
        """All objects of a user, and of no other whose id begins like theirs."""
        folder = f"vto/{path_segment(user)}/"
        with self._told("list", folder):
            return [meta for meta in self._listed(folder) if meta["path"].startswith(folder)]

    def _listed(self, folder: str) -> list[Mapping[str, Any]]:
        """Objects below a folder. A key that obstore cannot name is no result of ours, and passed over."""
        from obstore.exceptions import InvalidPathError

        try:
            return [dict(meta) for chunk in self._store.list(folder) for meta in chunk]
        except InvalidPathError:
            rows = every_row(cast("S3Store", self._store), folder)
            return [
                {"path": row.key, "size": row.size, "last_modified": row.modified}
                for row in rows
                if not odd_key(row.key)
            ]

    @contextmanager
    def _told(self, verb: str, path: str) -> Iterator[None]:
        """The store's errors as ours: NotFound, else Unavailable with the object and the reason."""
        try:
            yield
        except VitrineError:
            raise
        except BaseException as error:
            if not is_ours_to_translate(error):
                raise
            trouble = trouble_of(error)
            if verb == "read" and trouble is Trouble.HIDDEN:
                self._say_hidden()
            if trouble is Trouble.MISSING or (verb == "read" and trouble is Trouble.HIDDEN):
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
        with suppress(FileNotFoundError):  # gone meanwhile: that is what was asked
            if paths:
                self._store.delete(paths)


def _write_story(story: Mapping[str, Any]) -> str:
    """JSON in ASCII, within S3's limit: the longest texts among the parameters become digests."""
    parameters = dict(story.get("parameters", {}))
    while len(text := json.dumps({**story, "parameters": parameters})) > MAX_STORY_BYTES:
        sizes = {name: len(json.dumps(value)) for name, value in parameters.items()}
        longest = max(sizes, key=sizes.__getitem__, default=None)
        if longest is None or sizes[longest] < 80:  # a digest would be no shorter
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
