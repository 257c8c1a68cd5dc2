"""Classifies the errors of obstore, including panics of its Rust code, which are not Exceptions."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from vitrine.errors import VitrineError, one_line

PANICS = frozenset({"PanicException", "RustPanic"})  # exceptions of pyo3; neither can be imported
WRONG_REGION = "Received redirect without LOCATION"
_REFUSALS = ("403 Forbidden", "401 Unauthorized", "ExpiredToken")


class FailureKind(Enum):
    """What a failed call of the store means to its caller."""

    MISSING = "there is no such object"
    HIDDEN = "access denied: missing or forbidden, which a store says alike without s3:ListBucket"
    REFUSED = "the store refuses these credentials"
    CHANGED = "another object is in its place"
    FAILED = "the store did not do it"


def is_translatable(error: BaseException) -> bool:
    """Return whether `error` is a failure of the call, not a cancellation or the end of the process."""
    return isinstance(error, Exception) or type(error).__name__ in PANICS


def failure_kind(error: BaseException) -> FailureKind:
    """Return the kind of an error of obstore."""
    from obstore import exceptions as obstore

    text = str(error)
    if isinstance(error, FileNotFoundError | obstore.NotFoundError):
        return FailureKind.FAILED if "NoSuchBucket" in text else FailureKind.MISSING
    if isinstance(error, obstore.PreconditionError):
        return FailureKind.CHANGED
    if isinstance(error, obstore.PermissionDeniedError):
        return FailureKind.HIDDEN if _is_about_the_object(text) else FailureKind.REFUSED
    if isinstance(error, obstore.UnauthenticatedError) or any(word in text for word in _REFUSALS):
        return FailureKind.REFUSED
    return FailureKind.FAILED


def reason_of(error: BaseException, region: Callable[[], str | None] = lambda: None) -> str:
    """Return one line of explanation; `region` returns the bucket's region if the store names another."""
    if isinstance(error, VitrineError):
        return one_line(error)
    if type(error).__name__ in PANICS:
        return f"the store's library failed: {_first_line(error)}"
    if "NoSuchBucket" in str(error):
        return "there is no such bucket"
    if WRONG_REGION not in str(error):
        return _first_line(error)
    named = region()
    where = f"it is in {named}: set that as the region" if named else "set the region that it is in"
    return f"the bucket is in another region; {where}"


def _is_about_the_object(text: str) -> bool:
    """Whether a 403 is about access to an object, not about a key or signature; HEAD has no code to read."""
    return "<Code>" not in text or "<Code>AccessDenied</Code>" in text


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
