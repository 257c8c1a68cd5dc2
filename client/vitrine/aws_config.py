"""What the environment and the profiles of AWS say, as boto3 reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from vitrine.errors import BadRequest, Unavailable, VitrineError, one_line

KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
CA_VARIABLE = "AWS_CA_BUNDLE"
CHECKSUM_VARIABLE = "AWS_REQUEST_CHECKSUM_CALCULATION"

_WORD = re.compile(r"[\x21-\x7e]+")  # what a header can hold; obstore panics at anything else


class Credentials:
    """boto3's search for credentials as obstore's callback; it searches again until it has found some."""

    def __init__(self, ttl: timedelta) -> None:
        self._ttl = ttl
        self._found: Callable[[], Any] | None = None

    def __call__(self) -> Any:
        """Return obstore's form of credentials. Raises Unavailable, or botocore's errors."""
        if self._found is None:
            self._found = _search(self._ttl)
        found = self._found()
        if reason := odd_keys((found["access_key_id"], found["secret_access_key"])):
            raise Unavailable(reason)
        return found


def _search(ttl: timedelta) -> Callable[[], Any]:
    from obstore.auth.boto3 import Boto3CredentialProvider  # imports boto3, which takes 0.5 s

    try:
        return Boto3CredentialProvider(ttl=ttl)
    except ValueError as error:
        raise Unavailable("no S3 credentials found: set a profile, a role or AWS_ACCESS_KEY_ID") from error


def odd_keys(
    keys: tuple[str, str], names: tuple[str, str] = ("the access key id", "the secret access key")
) -> str | None:
    """Return what is wrong with an access key id and its secret, without the secret; None if nothing is."""
    for name, value in zip(names, keys, strict=True):
        if not _WORD.fullmatch(value):
            return f"{name} must be ASCII without spaces and line breaks, got {len(value)} characters"
    return None


def check_environment_keys() -> None:
    """Raise BadRequest for keys in the environment that no header can hold (a line break at the end)."""
    keys = os.environ.get(KEY_VARIABLES[0], ""), os.environ.get(KEY_VARIABLES[1], "")
    if all(keys) and (reason := odd_keys(keys, KEY_VARIABLES)):
        raise BadRequest(reason)


@contextmanager
def typed_errors() -> Iterator[None]:
    """Raise errors of botocore, which share no base, as BadRequest."""
    try:
        yield
    except (VitrineError, ImportError):
        raise
    except Exception as error:
        raise BadRequest(f"the configuration of AWS cannot be used: {one_line(error)}") from error


def amazon_endpoint(session: Any, region: str) -> str:
    """Return Amazon's address of a region, in its partition, with FIPS and dual stack as configured."""
    keys = {"aws_access_key_id": "-", "aws_secret_access_key": "-"}  # or the client searches for some
    found = str(session.client("s3", region_name=region, **keys).meta.endpoint_url)
    return found.replace("//s3.amazonaws.com", f"//s3.{region}.amazonaws.com")  # boto3's way with us-east-1


def root_certificates() -> bytes | None:
    """Return the certificates of AWS_CA_BUNDLE, or None; BadRequest if its file cannot be read."""
    path = os.environ.get(CA_VARIABLE)
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadRequest(
            f"{CA_VARIABLE} must name a file of certificates, got {path!r}: {error.strerror}"
        ) from error


def sends_checksums() -> bool:
    """Whether uploads have a checksum: not where the environment says that only required ones are sent."""
    return os.environ.get(CHECKSUM_VARIABLE, "").lower() != "when_required"
