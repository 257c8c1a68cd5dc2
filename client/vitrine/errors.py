"""The errors of Vitrine, and how they cross the wire.

VitrineError      → INTERNAL      ours, unless a subclass says otherwise
├── BadRequest    → INVALID_ARG   the caller's: fix the request
├── NotFound      → NOT_FOUND     the caller's: no such model, person or garment
├── Busy          → UNAVAILABLE   the caller's: try again later
├── Cancelled     → CANCELLED     no fault: the caller went away
├── StageFailed   → INTERNAL      ours; names the stage
├── Unavailable   → UNAVAILABLE   the server or one of its stages is not running
└── TimedOut      → UNAVAILABLE   no answer within the caller's time

Triton has fewer codes than this tree has classes, and a stream carries no code, so the text begins with
the word of the class: "busy: 64 jobs wait, which is the limit".
"""

from __future__ import annotations

import re
from typing import ClassVar


class VitrineError(Exception):
    """A failure. The message describes it; the class shows whether the caller or the operator can fix it."""

    code: ClassVar[str] = "INTERNAL"  # the name of a constant of triton_python_backend_utils.TritonError
    word: ClassVar[str] = "internal"  # begins the text on the wire


class BadRequest(VitrineError):
    """The request breaks a rule: the message names the field, the rule and the value."""

    code = "INVALID_ARG"
    word = "bad request"


class NotFound(VitrineError):
    """What the request names (a model, a version, a person, a garment) does not exist."""

    code = "NOT_FOUND"
    word = "not found"


class Busy(VitrineError):
    """The server's queue is full, or its memory; the same request can succeed later."""

    code = "UNAVAILABLE"
    word = "busy"

    @property
    def retry_after_s(self) -> int | None:
        """Seconds after which the server says to try again; None if it does not say."""
        found = re.search(r"try again in (\d+) s$", str(self))
        return int(found[1]) if found else None


class Cancelled(VitrineError):
    """The caller cancelled the request."""

    code = "CANCELLED"
    word = "cancelled"


class Unavailable(VitrineError):
    """The server, or a model that the request needs, is not running."""

    code = "UNAVAILABLE"
    word = "unavailable"


class TimedOut(VitrineError):
    """The caller's time ran out before the answer came."""

    code = "UNAVAILABLE"
    word = "timed out"


class StageFailed(VitrineError):
    """One stage of the pipeline failed; `stage` is its name (no colon in it)."""

    word = "stage failed"

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(stage, message)
        self.stage, self.message = stage, message

    def __str__(self) -> str:
        return f"{self.stage}: {self.message}"


_BY_WORD: dict[str, type[VitrineError]] = {
    kind.word: kind
    for kind in (VitrineError, BadRequest, NotFound, Busy, Cancelled, Unavailable, TimedOut, StageFailed)
}

# Messages of Triton (server core and Python backend, 2.51) that arrive with a misleading code.
_TRITON_SAYS: tuple[tuple[str, type[VitrineError]], ...] = (
    ("Exceeds maximum queue size", Busy),
    ("the shared memory pool", Busy),  # "Failed to increase the shared memory pool size": /dev/shm is full
    ("Request timeout expired", Busy),  # the timeout of the queue policy: the request never ran
    ("has no available versions", Unavailable),
    ("Request for unknown model", NotFound),
    ("is not healthy", Unavailable),  # "Stub process … is not healthy": it answers once it is loaded again
)

_BY_CODE: dict[str, type[VitrineError]] = {
    "INVALID_ARG": BadRequest,
    "UNSUPPORTED": BadRequest,
    "NOT_FOUND": NotFound,
    "UNAVAILABLE": Unavailable,
    "CANCELLED": Cancelled,
}


def to_wire(error: VitrineError) -> tuple[str, str]:
    """Return the code (name of a TritonError constant) and the text that carry `error` to the caller."""
    return error.code, f"{error.word}: {error}"


def from_wire(code: str | None, text: str) -> VitrineError:
    """Return the error that `to_wire` wrote. Triton's own errors are read from their message or code.

    `code` is None if the protocol carries none, as for errors of a stream.
    """
    word, colon, message = text.partition(": ")
    if colon and (kind := _BY_WORD.get(word)):
        if kind is not StageFailed:
            return kind(message)
        stage, _, reason = message.partition(": ")
        return StageFailed(stage, reason)
    for sentence, kind in _TRITON_SAYS:
        if sentence in text:
            return kind(text)
    return _BY_CODE.get(code or "", VitrineError)(text)


def one_line(error: Exception) -> str:
    """Return the error's message without line breaks."""
    return " ".join(str(error).split())
