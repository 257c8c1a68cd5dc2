"""Lists a bucket with keys of any form. One key that obstore cannot name would fail its whole listing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from vitrine.errors import Unavailable
from vitrine.s3 import Place
from vitrine.store_errors import is_translatable, means_missing

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore, S3Store

TIMEOUT_S = 10.0  # time limit for the connection, and for each page of the list


PAGE = 1000  # objects of one call


class ListedObject(NamedTuple):
    """One object of a bucket; its key lacks the store's prefix."""

    key: str
    size: int  # bytes
    modified: datetime


def place_of_store(store: S3Store) -> Place:
    """Return the place of an opened store."""
    config: Any = store.config
    return Place(
        config["bucket"],
        str(store.prefix or "").strip("/"),
        config.get("endpoint_url_s3") or config.get("endpoint"),
        config.get("region"),
    )


def listed(
    store: ObjectStore, folder: str, run: Callable[[Callable[[], Any]], Any] = lambda call: call()
) -> list[ObjectMeta]:
    """Return every object below `folder`; each call of the store, one for a page, goes through `run`.

    Raises obstore's errors, of which InvalidPathError means a key that it cannot name, and Unavailable for a
    list that repeats itself or is none.
    """
    found: dict[str, ObjectMeta] = {}
    pages = iter(run(lambda: store.list(folder or None, chunk_size=PAGE)))
    while (page := run(lambda: next(pages, None))) is not None:
        rows = {meta["path"]: meta for meta in page}
        if rows and rows.keys() <= found.keys():
            raise Unavailable("its list of objects repeats itself")
        found |= rows
    if not found:
        run(lambda: _confirm(store, folder))
    return list(found.values())


def _confirm(store: ObjectStore, folder: str) -> None:
    """Raise Unavailable if there is a web page in the store's place, which obstore reads as an empty list."""
    try:
        store.get(f"{folder.strip('/')}/{secrets.token_hex(16)}".lstrip("/"))
    except BaseException as error:
        if not is_translatable(error) or not means_missing(error, "read"):
            raise
        return
    raise Unavailable("it answers for what cannot be there: its address is that of a web page, not a store")


def list_objects(store: S3Store, folder: str = "") -> Iterator[ListedObject]:
    """Yield every object whose key begins with `folder` and "/", including odd keys, in order of keys.

    Raises botocore's errors.
    """
    place = place_of_store(store)
    root = f"{place.prefix}/" if place.prefix else ""
    under = f"{root}{folder.strip('/')}/" if folder.strip("/") else root
    pages = _client(store, place).get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=under)
    for page in pages:
        for one in page.get("Contents", ()):
            yield ListedObject(one["Key"].removeprefix(root), one["Size"], one["LastModified"])


def _client(store: S3Store, place: Place) -> Any:
    import boto3
    from botocore.config import Config

    provider: Any = store.credential_provider
    config: Any = store.config
    credentials = provider() if provider else config
    return boto3.client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        aws_access_key_id=credentials["access_key_id"],
        aws_secret_access_key=credentials["secret_access_key"],
        aws_session_token=credentials.get("token"),
        config=Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"total_max_attempts": 3},
            s3={"addressing_style": "path"},
        ),
    )
