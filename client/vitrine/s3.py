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

from vitrine.aws_config import (
    Credentials,
    amazon_endpoint,
    check_environment_keys,
    odd_keys,
    root_certificates,
    sends_checksums,
    typed_errors,
)
from vitrine.errors import BadRequest, Unavailable, one_line
from vitrine.store_errors import is_translatable, reason_of

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

DEFAULT_REGION = "us-east-1"
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # the first that is set counts
IGNORE_VARIABLE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_REGION = re.compile(r"[A-Za-z0-9._-]{1,64}")
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
        raise BadRequest(f"an object store must be s3://bucket or s3://bucket/prefix, got {_masked(url)!r}")
    prefix = prefix.removesuffix("/")
    if prefix and (reason := odd_key(prefix)):
        raise BadRequest(f"the prefix of an object store must be a plain path, got {url!r}: {reason}")
    return Place(bucket, prefix, checked_endpoint(endpoint) if endpoint else None, region, keys)


def _masked(address: str) -> str:
    """Return the address without what may be secret: before its last "@", and after its "?"."""
    return re.sub(r"\?.*", "?…", re.sub(r"^(\w+://)?.*@", r"\1…@", address, flags=re.DOTALL), flags=re.DOTALL)


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
        raise BadRequest(
            f"{name} must be http://host:port or https://host:port (a path may follow), "
            f"got {_masked(endpoint)!r}"
        )
    return f"{read.scheme}://{read.netloc}{read.path.rstrip('/')}"


def checked_region(region: str) -> str:
    """Return the region; BadRequest unless it is one word."""
    if not _REGION.fullmatch(region):
        raise BadRequest(f"the region of a store must be one word such as eu-west-1, got {region!r}")
    return region


def environment_endpoint(environment: Mapping[str, str]) -> str | None:
    """Return the address in boto3's variables, or None; BadRequest for a malformed one."""
    if environment.get(IGNORE_VARIABLE, "").lower() == "true":
        return None
    name = next((name for name in ENDPOINT_VARIABLES if environment.get(name)), None)
    return checked_endpoint(environment[name], name) if name else None


def open_bucket(place: Place, patience: Patience) -> S3Store:
    """Open the store at `place`, without a call of it and without a search for credentials.

    Raises BadRequest (address, region, keys, configuration of AWS), or Unavailable (no obstore).
    """
    try:
        from obstore.store import S3Store

        place = completed(place)
        provider = _fixed(place.keys) if place.keys else Credentials(patience.credentials)
    except ImportError as error:
        raise Unavailable(f"{one_line(error)}; pip install 'vitrine[results]' brings it") from error
    try:
        return S3Store(
            place.bucket,
            prefix=place.prefix or None,
            config=_config(place),
            credential_provider=provider,
            client_options=_client_options(place, patience),
            retry_config={
                "max_retries": patience.retries,
                "retry_timeout": timedelta(seconds=patience.retry_s),
                "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1)},
            },
        )
    except BaseException as error:
        if isinstance(error, BadRequest) or not is_translatable(error):
            raise
        raise BadRequest(f"the store cannot be opened: {reason_of(error)}") from error


def _config(place: Place) -> S3Config:
    assert place.endpoint, "it is completed"
    assert place.region, "it is completed"
    config: S3Config = {
        "region": place.region,
        "aws_endpoint_url_s3": place.endpoint,  # has precedence over what obstore reads by itself
        "virtual_hosted_style_request": False,
        "disable_bulk_delete": True,  # not every store has it, and obstore panics at some of its errors
    }
    if sends_checksums():  # the store refuses an upload that was damaged on its way
        config["checksum_algorithm"] = "SHA256"
    return config


def _client_options(place: Place, patience: Patience) -> ClientConfig:
    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=patience.connect_s),
        "timeout": timedelta(seconds=patience.request_s),
        "allow_http": str(place.endpoint).startswith("http://"),
    }
    if not options["allow_http"] and (certificates := root_certificates()):
        options["root_certificate"] = certificates
    return options


def _fixed(keys: tuple[str, str]) -> Callable[[], Any]:
    """Return obstore's callback for these keys; settings would get the environment's token."""
    if reason := odd_keys(keys):
        raise BadRequest(reason)
    fixed = {"access_key_id": keys[0], "secret_access_key": keys[1], "token": None, "expires_at": None}
    return lambda: fixed


def completed(place: Place) -> Place:
    """Return the place with its endpoint and region; boto3's search completes what is None.

    BadRequest for a malformed one, and for a configuration of AWS that boto3 cannot read.
    """
    region, endpoint = place.region, place.endpoint
    if place.keys is None:
        check_environment_keys()
    if not (endpoint and region and place.keys):
        import boto3

        with typed_errors():
            session = boto3.Session()
            found = session.region_name  # also where endpoint and region are given: the profile must exist
            region = region or os.environ.get("AWS_REGION") or found or DEFAULT_REGION
            checked_region(region)
            endpoint = endpoint or _configured_endpoint(session._session)
            endpoint = endpoint or amazon_endpoint(session, region)
    return replace(place, endpoint=checked_endpoint(endpoint), region=checked_region(region))


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


def region_of(place: Place) -> str | None:
    """Return the region that the bucket reports, or None. Takes at most bucket_region.LOOK_S."""
    from vitrine.bucket_region import reported_region  # its HTTP library takes as long to import as numpy

    place = completed(place)
    return reported_region(f"{place.endpoint}/{place.bucket}")
