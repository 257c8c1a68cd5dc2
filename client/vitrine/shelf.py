"""Finished pictures in an object store, under the old service's layout.

vto/{user}/{key}.png      the picture; its story (JSON) is the object's metadata, so both are written at once
vto/{user}/{key}.hidden   an empty mark: the picture is left out of lists
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vitrine.errors import BadRequest, NotFound, Unavailable, one_line
from vitrine.keys import path_segment, result_path

if TYPE_CHECKING:
    from obstore.store import ObjectStore

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
        """`store` is obstore's, such as `open_store` gives."""
        self._store = store

    def find(self, *, user: str, key: str) -> Found | None:
        """The picture of a key, None where there is none; a damaged one raises Unavailable."""
        path = result_path(user, key)
        with _told("read", path):
            try:
                answer = self._store.get(path)
            except FileNotFoundError:
                return None
            encoded, attributes = bytes(answer.bytes()), answer.attributes
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
        with _told("write", path):
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
        with _told("write", mark):
            try:
                self._store.head(picture)
            except FileNotFoundError:
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
        with _told("delete", f"vto/{path_segment(user)}"):
            self._delete(paths)
        return sum(path.endswith(_PICTURE) for path in paths)

    def _objects(self, user: str) -> list[Mapping[str, Any]]:
        """All objects of a user, and of no other whose id begins like theirs."""
        folder = f"vto/{path_segment(user)}/"
        with _told("list", folder):
            return [
                meta
                for chunk in self._store.list(folder)
                for meta in chunk
                if meta["path"].startswith(folder)
            ]

    def _delete(self, paths: list[str]) -> None:
        with suppress(FileNotFoundError):  # gone meanwhile: that is what was asked
            if paths:
                self._store.delete(paths)


def open_store(
    url: str,
    *,
    endpoint: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    region: str | None = None,
) -> ObjectStore:
    """The object store at s3://bucket or s3://bucket/prefix; `endpoint` for S3-compatible ones.

    Without keys, credentials come as boto3 finds them (environment, profile, role), and are read anew every
    5 minutes.
    """
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise Unavailable(f"{one_line(error)}; pip install 'vitrine[results]' brings it") from error
    scheme, _, bucket = url.partition("s3://")
    if scheme or not bucket.strip("/"):
        raise BadRequest(f"the store must be s3://bucket or s3://bucket/prefix, got {url!r}")
    given: dict[str, Any] = {"region": region} if region else {}
    if endpoint:
        given["endpoint"] = endpoint
    if access_key_id is None:
        given["credential_provider"] = _boto3_credentials()
    else:
        given |= {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
    return S3Store.from_url(
        url,
        client_options={
            "connect_timeout": timedelta(seconds=2),
            "timeout": timedelta(seconds=10),
            "allow_http": (endpoint or "").startswith("http://"),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=15)},
        **given,
    )


def _boto3_credentials() -> Any:
    """boto3's own search for credentials, as obstore wants it."""
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider

        return Boto3CredentialProvider(ttl=timedelta(minutes=5))  # its 30 minutes outlive short-lived keys
    except ImportError as error:
        raise Unavailable(f"{one_line(error)}; pip install 'vitrine[results]' brings it") from error
    except ValueError as error:
        raise Unavailable("no S3 credentials found: set a profile, a role or AWS_ACCESS_KEY_ID") from error


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


@contextmanager
def _told(verb: str, path: str) -> Iterator[None]:
    """obstore's errors as ours: which object, and the first line of the reason."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise Unavailable(f"the result store cannot {verb} {path}: {reason}") from error
