"""Object stores by their address, with times of seconds: obstore's own defaults wait for minutes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vitrine.errors import BadRequest, Unavailable, one_line

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_TIMES: ClientConfig = {"connect_timeout": timedelta(seconds=2), "timeout": timedelta(seconds=10)}
_RETRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=15)}


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
    plain = (endpoint or "").startswith("http://")
    return S3Store.from_url(
        url, client_options={**_TIMES, "allow_http": plain}, retry_config=_RETRIES, **given
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
