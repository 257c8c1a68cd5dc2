"""Keeps finished pictures in an object store, in the old service's layout.

vto/{user}/{key}.png      the picture; its story (JSON) is the object's metadata, so one write stores both
vto/{user}/{key}.hidden   an empty mark: the picture is left out of lists
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from vitrine.errors import NotFound, Unavailable, VitrineError
from vitrine.keys import key_of, path_segment, result_path
from vitrine.listing import PAGE, list_objects, listed, place_of_store
from vitrine.s3 import odd_key, region_of
from vitrine.store_calls import StoreCalls
from vitrine.store_errors import FailureKind, Verb, failure_kind, is_translatable, means_missing, reason_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Store

logger = logging.getLogger(__name__)

MAX_STORY_BYTES = 1900  # longer stories are shortened: S3 limits metadata to 2 KB, names included
_STORY = "vitrine"  # the name of the metadata: x-amz-meta-vitrine
DELETED_AT_ONCE = 100  # objects of one call; obstore deletes twenty at a time
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
    """Keeps finished pictures. A failure of the store raises Unavailable, at the latest after LIMIT_S.

    Lists have that time for each thousand objects, purges for each hundred. After a call without an answer
    all others fail at once for PAUSE_S (store_calls.py).
    """

    def __init__(self, store: ObjectStore, calls: StoreCalls | None = None) -> None:
        """`store` is a store of obstore, for example from `vitrine.stores.open_store`."""
        self._store, self._run = store, (calls or StoreCalls()).run
        self._hidden_said = False

    def find(self, *, user: str, key: str) -> Found | None:
        """Return the picture of a key, or None; a damaged one raises Unavailable."""
        path = result_path(user, key)
        try:
            with self._translated("read", path):
                encoded, attributes = self._run(lambda: _read(self._store, path))
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
            self._run(lambda: self._store.put(path, encoded, attributes=attributes, use_multipart=False))

    def entries(self, *, user: str, hidden: bool = False) -> list[Entry]:
        """Return a user's pictures, the newest first; `hidden` includes hidden ones."""
        objects = {meta["path"]: meta for meta in self._objects(user)}
        found = [
            Entry(
                key=key,
                size=meta["size"],
                modified=meta["last_modified"],
                hidden=result_path(user, key, _HIDDEN) in objects,
            )
            for path, meta in objects.items()
            if (key := key_of(path)) and path == result_path(user, key)
        ]
        found.sort(key=lambda entry: entry.modified, reverse=True)
        return [entry for entry in found if hidden or not entry.hidden]

    def hide(self, *, user: str, key: str, hidden: bool = True) -> None:
        """Hide a picture from lists, or show it again; `find` returns it in both cases."""
        picture, mark = result_path(user, key), result_path(user, key, _HIDDEN)
        try:
            with self._translated("read", picture):  # not HEAD, whose refusals have no reason
                self._run(lambda: self._store.get(picture))
        except NotFound:
            raise NotFound(f"no result {key} of this user") from None
        if hidden:
            with self._translated("write", mark):
                self._run(lambda: self._store.put(mark, b"", use_multipart=False))
        else:
            self._delete([mark])

    def purge(self, *, user: str, key: str | None = None) -> int:
        """Delete one picture or all pictures of a user; return the number of deleted pictures."""
        paths = [meta["path"] for meta in self._objects(user)]
        if key is not None:
            paths = [path for path in paths if path.startswith(result_path(user, key, "."))]
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
            return [dict(meta) for meta in listed(self._store, folder, self._run)]
        except InvalidPathError:
            rows = list_objects(cast("S3Store", self._store), folder)
            every = iter(lambda: self._run(lambda: list(islice(rows, PAGE))), [])
            return [
                {"path": row.key, "size": row.size, "last_modified": row.modified}
                for page in every
                for row in page
                if not odd_key(row.key)
            ]

    @contextmanager
    def _translated(self, verb: Verb, path: str) -> Iterator[None]:
        """Raise the store's errors as NotFound, or as Unavailable with the object and the reason."""
        try:
            yield
        except Unavailable as error:
            raise type(error)(f"the result store cannot {verb} {path}: {error}") from error
        except VitrineError:
            raise
        except BaseException as error:
            if not is_translatable(error):
                raise
            if means_missing(error, verb):
                self._say_hidden(error)
                raise NotFound(f"{path} is not in the result store") from error
            reason = reason_of(error, lambda: region_of(place_of_store(cast("S3Store", self._store))))
            raise Unavailable(f"the result store cannot {verb} {path}: {reason}") from error

    def _say_hidden(self, error: BaseException) -> None:
        if failure_kind(error) is FailureKind.HIDDEN and not self._hidden_said:
            self._hidden_said = True
            logger.warning(
                "the result store answers 403 where a picture may not exist, which is read as not there; "
                "with s3:ListBucket on the bucket it would say which"
            )

    def _delete(self, paths: list[str]) -> None:
        """Delete objects; those that another process has deleted are no error."""
        for start in range(0, len(paths), DELETED_AT_ONCE):
            some = paths[start : start + DELETED_AT_ONCE]
            try:
                with self._translated("delete", some[0].rpartition("/")[0]):
                    self._run(partial(self._store.delete, some))
            except NotFound:
                if len(some) > 1:  # others may be left
                    for path in some:
                        self._delete([path])


def _read(store: ObjectStore, path: str) -> tuple[bytes, Any]:
    answer = store.get(path)
    return bytes(answer.bytes()), answer.attributes


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
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"{path} is damaged: its story is not JSON") from error
    if not isinstance(story, dict):
        raise Unavailable(f"{path} is damaged: its story is not a JSON object")
    return story


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
