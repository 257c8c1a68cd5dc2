"""Lists a bucket by the keys as they are. obstore fails a whole listing at one key that it cannot name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from vitrine.s3 import Place

if TYPE_CHECKING:
    from obstore.store import S3Store

TIMEOUT_S = 10.0  # to connect, and for each page


class Row(NamedTuple):
    """One object; its key without the store's prefix."""

    key: str
    size: int  # bytes
    modified: datetime


def place_of_store(store: S3Store) -> Place:
    """Where an opened store is."""
    config: Any = store.config
    return Place(
        config["bucket"],
        str(store.prefix or "").strip("/"),
        config.get("endpoint_url_s3") or config.get("endpoint"),
        config.get("region"),
    )


def every_row(store: S3Store, folder: str = "") -> Iterator[Row]:
    """Every object whose key begins with `folder` and "/", odd keys too, in the order of their keys.

    Raises botocore's errors.
    """
    place = place_of_store(store)
    root = f"{place.prefix}/" if place.prefix else ""
    under = f"{root}{folder.strip('/')}/" if folder.strip("/") else root
    pages = _client(store, place).get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=under)
    for page in pages:
        for one in page.get("Contents", ()):
            yield Row(one["Key"].removeprefix(root), one["Size"], one["LastModified"])


def _client(store: S3Store, place: Place) -> Any:
    import boto3
    from botocore.config import Config

    provider: Any = store.credential_provider
    config: Any = store.config
    given = provider() if provider else config
    return boto3.client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        aws_access_key_id=given["access_key_id"],
        aws_secret_access_key=given["secret_access_key"],
        aws_session_token=given.get("token"),
        config=Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"total_max_attempts": 3},
            s3={"addressing_style": "path"},
        ),
    )
