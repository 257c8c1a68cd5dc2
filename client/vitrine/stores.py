"""Opens object stores of finished pictures by their address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from vitrine.errors import Unavailable, VitrineError
from vitrine.s3 import Patience, Place, open_bucket, place_of
from vitrine.store_calls import LIMIT_S

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PATIENCE = Patience(connect_s=2.0, request_s=LIMIT_S, retries=2, retry_s=LIMIT_S)


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
    searched at the first call and read again every 5 minutes. The prefix is read literally. BadRequest for
    another form of `url`. Where anything else is in the way of opening the store (a malformed endpoint, an
    unknown profile), each of its calls raises Unavailable with the reason, so that `Results` still returns
    the picture. A process that is forked must open its store itself, before its parent has used one.
    """
    keys = None if access_key_id is None else (access_key_id, secret_access_key or "")
    place = place_of(url, None, region, keys)
    try:
        return open_bucket(Place(place.bucket, place.prefix, endpoint, region, keys), _PATIENCE)
    except VitrineError as error:
        return cast("ObjectStore", NoStore(str(error)))


class NoStore:
    """Replaces a store that cannot be opened: every call raises Unavailable."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        raise Unavailable(self._reason)
