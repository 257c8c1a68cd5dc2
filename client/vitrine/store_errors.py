"""Classifies the errors of obstore, including panics of its Rust code, which are not Exceptions."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from html import unescape
from typing import Literal

from vitrine.errors import VitrineError, one_line

PANICS = frozenset({"PanicException", "RustPanic"})  # exceptions of pyo3; neither can be imported
WRONG_REGION = "Received redirect without LOCATION"
MOST_CHARACTERS = 300  # of a reason
_REFUSALS = ("403 Forbidden", "401 Unauthorized", "ExpiredToken")
_STATUS = re.compile(r"status code: ((\d{3})[^:\n]*)")
_REQUEST = re.compile(r"Error performing [\w ]+?\S*://\S+ in .*? - |Error performing \w+ request: ")
_CAUSE = re.compile(r'(?:message|error): "([^"]+)"|InvalidCertificate\(\s*(\w+)')  # in the debug text
_CREDENTIALS = re.compile(r".*External AWS credential provider: (Unavailable: )?", re.DOTALL)

Verb = Literal["read", "write", "list", "delete"]


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


def means_missing(error: BaseException, verb: Verb) -> bool:
    """Whether the failure of a call says that its object is not there.

    A read that is forbidden may say so. A delete is done only if the store names the missing key: a 404
    without it is from something that is no store, and deleted nothing.
    """
    kind = failure_kind(error)
    if verb == "read":
        return kind in (FailureKind.MISSING, FailureKind.HIDDEN)
    named = "NoSuchKey" in str(error) or not _STATUS.search(str(error))
    return verb == "delete" and kind is FailureKind.MISSING and named


def reason_of(error: BaseException, region: Callable[[], str | None] = lambda: None) -> str:
    """Return one line of explanation; `region` returns the bucket's region if the store names another."""
    if isinstance(error, VitrineError):
        return one_line(error)
    text, _, debug = str(error).partition("\n\nDebug source:")
    if type(error).__name__ in PANICS:
        return f"the store's library failed: {_first_line(text)}"
    if "NoSuchBucket" in text:
        return "there is no such bucket"
    if WRONG_REGION not in text:
        return _said(text) or _first_line(text) + _cause(debug) or type(error).__name__
    named = region()
    where = f"it is in {named}: set that as the region" if named else "set the region that it is in"
    return f"the bucket is in another region; {where}"


def _said(text: str) -> str | None:
    """Return what the store or the search for credentials said, without the request; None if neither did."""
    if _CREDENTIALS.match(text):
        return _first_line(_CREDENTIALS.sub("", text))
    status = _STATUS.search(text)
    if not (code := _tagged(text, "Code")):
        return status[1].strip() if status else None
    said = f"{status[2]} {code}" if status else code
    said += f": {message}" if (message := _tagged(text, "Message")) else ""
    said += f"; set {region} as the region" if (region := _tagged(text, "Region")) else ""
    return said[:MOST_CHARACTERS]


def _cause(debug: str) -> str:
    """Return why there was no answer, in brackets, such as " (Connection refused)"; "" if it is not told."""
    found = _CAUSE.search(debug)
    return f" ({found[1] or found[2]})" if found else ""


def _tagged(text: str, tag: str) -> str:
    """Return the text of the first XML element of this name, in one line; "" if there is none."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(unescape(found[1]).split()) if found else ""


def _is_about_the_object(text: str) -> bool:
    """Whether a 403 is about access to an object, not about a key or signature; HEAD has no code to read."""
    return "<Code>" not in text or "<Code>AccessDenied</Code>" in text


def _first_line(text: str) -> str:
    return _REQUEST.sub("", text).removeprefix("Generic S3 error: ").partition("\n")[0][:MOST_CHARACTERS]
