"""The errors of the gateway, below the client's tree, and the table of their HTTP problems (RFC 9457).

VitrineError
├── BadSettings      the operator's: a setting that does not exist or cannot be used
├── Unauthorized     no key, or one that is not valid
├── Forbidden        a key without the scope that the call needs
├── NoCredit         the account has fewer credits than the job costs
├── Conflict         the thing is not in a state that allows the call
├── TooLarge         a body or picture above its limit
├── NotAPicture      bytes that are no picture of an accepted format
├── Encoded          a body with a Content-Encoding, such as gzip
├── KeyReused        an Idempotency-Key that was sent with another request
├── TooMany          a limit on the number of jobs is reached
├── TooManyGarments  the account has as many garments as it may
├── RateLimited      the account calls or submits faster than its rate
├── ContentRejected  the operator's moderation refuses a request or a result
├── NotServedYet     a route of an old service that this gateway cannot answer yet
└── WorkerLost       the workers of a job ended again and again
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vitrine.errors import (
    BadRequest,
    Busy,
    Cancelled,
    NotFound,
    StageFailed,
    TimedOut,
    Unavailable,
    VitrineError,
)


class BadSettings(VitrineError):
    """A setting does not exist, or its value is not allowed."""

    word = "bad settings"


class Unauthorized(VitrineError):
    """The call needs a valid API key."""

    word = "unauthorized"


class Forbidden(VitrineError):
    """The key lacks the scope that the call needs."""

    word = "forbidden"


class NoCredit(VitrineError):
    """The account has fewer credits than the job costs."""

    word = "no credit"


class Conflict(VitrineError):
    """The state of the thing does not allow the call."""

    word = "conflict"


class TooLarge(VitrineError):
    """A body or a picture is larger than its limit."""

    word = "too large"


class NotAPicture(VitrineError):
    """The bytes are no picture of an accepted format."""

    word = "not a picture"


class Encoded(VitrineError):
    """The body has a Content-Encoding."""

    word = "encoded"


class KeyReused(VitrineError):
    """The Idempotency-Key was sent before, with another request."""

    word = "key reused"


class TooMany(VitrineError):
    """A limit on the number of waiting jobs is reached."""

    word = "too many"


class TooManyGarments(VitrineError):
    """The account has as many registered garments as it may."""

    word = "too many garments"


class RateLimited(VitrineError):
    """The account calls or submits faster than its rate; `retry_after_s` says when it may again."""

    word = "rate limited"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ContentRejected(VitrineError):
    """The operator's moderation refuses what was sent or made."""

    word = "content rejected"


class NotServedYet(VitrineError):
    """This gateway cannot answer the route yet."""

    word = "not served yet"


class WorkerLost(VitrineError):
    """The workers of a job ended again and again before it was done."""

    word = "worker lost"


class _Invalid(Protocol):
    """pydantic's ValidationError, or FastAPI's RequestValidationError."""

    def errors(self) -> Sequence[Any]: ...


_UNION = re.compile(r"constrained-\w+|str|int|float|bool|dict|bytes|[a-z-]+\[.*\]")


def place_of(fault: Mapping[str, Any]) -> list[str]:
    """Return the names and numbers that lead to a fault of pydantic's, without its words for unions."""
    *parts, last = [str(part) for part in fault["loc"]] or [""]
    named = [part for part in parts if not _UNION.fullmatch(part)]
    unknown = fault["type"] == "extra_forbidden"  # a caller's own word
    return named if not last or (_UNION.fullmatch(last) and not unknown) else [*named, last]


def rule_of(fault: Mapping[str, Any]) -> str:
    """Return what is wrong, without pydantic's words before a rule of ours."""
    message: str = fault["msg"]
    return message.removeprefix("Value error, ")


def first_fault(error: _Invalid) -> tuple[str, str]:
    """Return the place of the first fault, such as "inputs.seed", and what is wrong there.

    The place is "" where the fault is of the whole.
    """
    first = error.errors()[0]
    return ".".join(place_of(first)), rule_of(first)


def told_fault(error: _Invalid, whole: str = "the body") -> str:
    """Return the first fault as a sentence: the name, or `whole`, the rule and, if it is short, the value."""
    first = error.errors()[0]
    place, wrong = first_fault(error)
    if first["type"] == "extra_forbidden":
        wrong = "there is no such field, or it is not served: leave it out"
    value = first.get("input")
    got = f", got {value!r}" if isinstance(value, (str, int, float)) and len(repr(value)) <= 60 else ""
    return f"{place or whole}: {wrong}{got}"


@dataclass(frozen=True)
class Kind:
    """One kind of problem. `code` never changes: callers may compare it."""

    code: str
    status: int
    title: str
    retried: bool = False  # whether a worker tries a job again after it
    retry_after_s: int | None = None  # of the header Retry-After


KINDS: dict[type[VitrineError], Kind] = {
    BadRequest: Kind("bad_request", 400, "The request breaks a rule"),
    Unauthorized: Kind("unauthorized", 401, "A valid API key is needed"),
    NoCredit: Kind("no_credit", 402, "The account has too few credits"),
    Forbidden: Kind("forbidden", 403, "The key may not do this"),
    NotFound: Kind("not_found", 404, "There is no such thing"),
    Conflict: Kind("conflict", 409, "Its state does not allow this"),
    TooManyGarments: Kind("too_many_garments", 409, "The account has as many garments as it may"),
    TooLarge: Kind("too_large", 413, "The body or picture is too large"),
    NotAPicture: Kind("not_a_picture", 415, "The bytes are no picture that is accepted"),
    Encoded: Kind("encoded_body", 415, "The body must be sent without Content-Encoding"),
    KeyReused: Kind("idempotency_key_reused", 422, "The key was sent with another request"),
    ContentRejected: Kind("content_rejected", 422, "The content is not allowed"),
    TooMany: Kind("too_many_jobs", 429, "Too many jobs wait", retry_after_s=10),
    RateLimited: Kind("rate_limited", 429, "Too many calls in this time", retry_after_s=1),
    Cancelled: Kind("canceled", 409, "The job was canceled"),
    StageFailed: Kind("stage_failed", 500, "A stage of the pipeline failed", retried=True),
    WorkerLost: Kind("worker_lost", 500, "The job's workers ended before it was done"),
    NotServedYet: Kind("not_served_yet", 501, "The gateway does not serve this yet"),
    Busy: Kind("busy", 503, "The server is busy", retried=True, retry_after_s=5),
    Unavailable: Kind("unavailable", 503, "The server does not run", retried=True, retry_after_s=10),
    TimedOut: Kind("timed_out", 504, "The job took too long", retried=True),
    VitrineError: Kind("internal", 500, "Something failed here", retried=True),
}
"""The problem of each class; a subclass that is not listed has the one of its nearest listed base."""

INVALID = Kind("invalid", 422, "The request does not have the right form")


def kind_of(error: VitrineError) -> Kind:
    """Return the problem's row of an error."""
    return next(KINDS[base] for base in type(error).__mro__ if base in KINDS)


def problem(
    kind: Kind,
    detail: str,
    request_id: str | None = None,
    errors: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Return the body of application/problem+json; a failed job holds the same object."""
    body: dict[str, Any] = {
        "type": f"urn:vitrine:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
    }
    if request_id:
        body["request_id"] = request_id
    if errors:
        body["errors"] = errors
    return body


def problem_of(error: VitrineError, request_id: str | None = None) -> dict[str, Any]:
    """Return the problem object of an error."""
    return problem(kind_of(error), str(error), request_id)


def error_of(told: Mapping[str, Any]) -> VitrineError:
    """Return the error of a problem object that a failed job holds."""
    base = next((one for one, kind in KINDS.items() if kind.code == told["code"]), VitrineError)
    if base is StageFailed:
        stage, _, message = told["detail"].partition(": ")
        return StageFailed(stage, message)
    return base(told["detail"])
