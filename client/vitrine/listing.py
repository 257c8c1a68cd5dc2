"""Lists a bucket with keys of any form. One key that obstore cannot name would fail its whole listing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from vitrine.s3 import Place

if TYPE_CHECKING:
    from obstore.store import S3Store

TIMEOUT_S = 10.0  # time limit for the connection, and for each page of the list


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
