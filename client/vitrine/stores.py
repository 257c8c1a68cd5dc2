"""Opens object stores of finished pictures by their address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from vitrine.errors import BadRequest, Unavailable
from vitrine.s3 import Patience, Place, open_bucket, place_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PATIENCE = Patience(connect_s=2.0, request_s=10.0, retries=2, retry_s=15.0)


def open_store(
    url: str,
    *,
    endpoint: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    region: str | None = None,
) -> ObjectStore:
    """Open the object store at s3://bucket or s3://bucket/prefix; `endpoint` is for S3-compatible stores.

    An omitted region or credential is found as boto3 finds it (environment, profile, role); credentials are
    read again every 5 minutes. The prefix is read literally. With a malformed endpoint, every call of the
    store raises Unavailable with the reason, so that `Results` still returns the picture.
    """
    keys = None if access_key_id is None else (access_key_id, secret_access_key or "")
    place = place_of(url, None, region, keys)
    try:
        return open_bucket(Place(place.bucket, place.prefix, endpoint, region, keys), _PATIENCE)
    except BadRequest as error:
        return cast("ObjectStore", NoStore(str(error)))


class NoStore:
    """Replaces a store that cannot be opened: every call raises Unavailable."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        raise Unavailable(self._reason)
