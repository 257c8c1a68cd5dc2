"""Opens a bucket, for finished pictures and for the server's cache alike.

An omitted address, region or credential is found as boto3 finds it. obstore's own search of the environment
is not used: it ignores profiles, and refuses plain http for addresses that it finds there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vitrine.errors import BadRequest, Unavailable, one_line

if TYPE_CHECKING:
    from obstore.store import S3Store

DEFAULT_REGION = "us-east-1"
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # the first that is set counts
IGNORE_VARIABLE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_FOLDER = re.compile(r"[A-Za-z0-9._~%/-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Place:
    """The address of objects. An endpoint, region or keys of None are found as boto3 finds them."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None  # http(s)://host[:port][/path]
    region: str | None = None
    keys: tuple[str, str] | None = None  # access key id and secret


@dataclass(frozen=True)
class Patience:
    """Time limits of one request: for the connection, for its end, and for its retries."""

    connect_s: float = 1.0
    request_s: float = 5.0  # one part of 4 MB at 1 MB/s
    retries: int = 2
    retry_s: float = 10.0
    credentials: timedelta = timedelta(minutes=5)  # boto3 renews its own 10 to 15 minutes before they expire


def place_of(
    url: str,
    endpoint: str | None = None,
    region: str | None = None,
    keys: tuple[str, str] | None = None,
) -> Place:
    """Return the place of s3://bucket or s3://bucket/prefix; BadRequest for another form.

    The prefix is read literally: "%20", "#" and "?" keep no special meaning, as in the AWS command line.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise BadRequest(f"an object store must be s3://bucket or s3://bucket/prefix, got {url!r}")
    prefix = prefix.removesuffix("/")
    if prefix and (reason := odd_key(prefix)):
        raise BadRequest(f"the prefix of an object store must be a plain path, got {url!r}: {reason}")
    return Place(bucket, prefix, checked_endpoint(endpoint) if endpoint else None, region, keys)


def odd_key(key: str) -> str | None:
    """Return why obstore cannot name the object of this key; None if it can."""
    segments = key.split("/")
    if "" in segments:
        return "a part of its path is empty"
    if "." in segments or ".." in segments:
        return "a part of its path is '.' or '..'"
    return "it has a control character" if _CONTROL.search(key) else None


def checked_endpoint(endpoint: str, name: str = "the store's endpoint") -> str:
    """Return the address without its last slash; BadRequest, with the required form, for another form."""
    try:
        read = urlsplit(endpoint)
        port = read.port
    except ValueError:
        read, port = urlsplit(""), None
    host, _, _ = read.netloc.partition("]")
    host = f"{host}]" if host.startswith("[") else read.netloc.partition(":")[0]
    sound = (
        read.scheme in ("http", "https")
        and _HOST.fullmatch(host)
        and read.netloc in (host, f"{host}:{port}")
        and _FOLDER.fullmatch(read.path)
        and not any(mark in endpoint for mark in "?# \t\r\n")
    )
    if not sound:
        shown = re.sub(r"[^/@]*@", "…@", endpoint)  # keeps the password out of the message
        raise BadRequest(
            f"{name} must be http://host:port or https://host:port (a path may follow), got {shown!r}"
        )
    return f"{read.scheme}://{read.netloc}{read.path.rstrip('/')}"


def environment_endpoint(environment: Mapping[str, str]) -> str | None:
    """Return the address in boto3's variables, or None; BadRequest for a malformed one."""
    if environment.get(IGNORE_VARIABLE, "").lower() == "true":
        return None
    name = next((name for name in ENDPOINT_VARIABLES if environment.get(name)), None)
    return checked_endpoint(environment[name], name) if name else None


def open_bucket(place: Place, patience: Patience) -> S3Store:
    """Open the store at `place`. Raises BadRequest (address) or Unavailable (no credentials, no obstore)."""
    try:
        from obstore.store import S3Store

        place, provider = _completed(place, patience)
    except ImportError as error:
        raise Unavailable(f"{one_line(error)}; pip install 'vitrine[results]' brings it") from error
    assert place.endpoint, "it is completed"
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config={
            "region": place.region or DEFAULT_REGION,
            "aws_endpoint_url_s3": place.endpoint,  # has precedence over what obstore reads by itself
            "virtual_hosted_style_request": False,
            "checksum_algorithm": "SHA256",  # the store refuses an upload that was damaged on its way
        },
        credential_provider=provider,
        client_options={
            "connect_timeout": timedelta(seconds=patience.connect_s),
            "timeout": timedelta(seconds=patience.request_s),
            "allow_http": place.endpoint.startswith("http://"),
        },
        retry_config={
            "max_retries": patience.retries,
            "retry_timeout": timedelta(seconds=patience.retry_s),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1)},
        },
    )


def completed(place: Place) -> Place:
    """Return the place with its endpoint and region; boto3's search completes what is None."""
    if place.endpoint and place.region:
        return replace(place, endpoint=checked_endpoint(place.endpoint))
    import boto3

    session = boto3.Session()
    region = place.region or os.environ.get("AWS_REGION") or session.region_name or DEFAULT_REGION
    endpoint = place.endpoint or _configured_endpoint(session._session) or _amazon(region)
    return replace(place, endpoint=checked_endpoint(endpoint), region=region)


def _completed(place: Place, patience: Patience) -> tuple[Place, Callable[[], Any]]:
    """Return the completed place, and obstore's callback for credentials."""
    place = completed(place)
    if place.keys is None:
        return place, _boto3_credentials(patience.credentials)
    access_key_id, secret = place.keys
    fixed = {"access_key_id": access_key_id, "secret_access_key": secret, "token": None, "expires_at": None}
    return (
        place,
        lambda: fixed,
    )  # a callback, because with settings obstore would add the environment's session token


def _configured_endpoint(session: Any) -> str | None:
    """Return the endpoint of the environment or the profile, in the order of botocore's search."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    if endpoint := environment_endpoint(os.environ):
        return endpoint
    profile = session.get_scoped_config()
    services = session.full_config.get("services", {}).get(profile.get("services"), {})
    service = services.get("s3", {}) if isinstance(services, dict) else {}
    found = (service.get("endpoint_url") if isinstance(service, dict) else None) or profile.get(
        "endpoint_url"
    )
    return checked_endpoint(found, "endpoint_url of the AWS profile") if found else None


def _amazon(region: str) -> str:
    return f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def _boto3_credentials(ttl: timedelta) -> Callable[[], Any]:
    """Return boto3's search for credentials as obstore's callback."""
    from obstore.auth.boto3 import Boto3CredentialProvider  # imports boto3, which takes 0.5 s

    try:
        return Boto3CredentialProvider(ttl=ttl)
    except ValueError as error:
        raise Unavailable("no S3 credentials found: set a profile, a role or AWS_ACCESS_KEY_ID") from error


def region_of(place: Place) -> str | None:
    """Return the region that the bucket reports, or None. Takes at most bucket_region.LOOK_S."""
    from vitrine.bucket_region import reported_region  # its HTTP library takes as long to import as numpy

    place = completed(place)
    return reported_region(f"{place.endpoint}/{place.bucket}")
