"""The errors of Vitrine, and how they cross the wire.

VitrineError      → INTERNAL      ours, unless a subclass says otherwise
├── BadRequest    → INVALID_ARG   the caller's: fix the request
├── NotFound      → NOT_FOUND     the caller's: no such model, person or garment
├── Busy          → UNAVAILABLE   the caller's: again, later
├── Cancelled     → CANCELLED     nobody's: the caller went away
├── StageFailed   → INTERNAL      ours; names the stage
├── Unavailable   → UNAVAILABLE   the server or a stage of it is not there
└── TimedOut      → UNAVAILABLE   no answer within the caller's time

Triton has fewer codes than this tree has classes, and a stream carries none at all, so the text begins
with the class's word: "busy: 64 jobs wait, which is the limit".
"""

from __future__ import annotations

from typing import ClassVar


class VitrineError(Exception):
    """Something went wrong; the message says what, the class says who can mend it."""

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
    """The server has as much work as it takes; the same request can succeed later."""

    code = "UNAVAILABLE"
    word = "busy"


class Cancelled(VitrineError):
    """The caller gave the request up before its end."""

    code = "CANCELLED"
    word = "cancelled"


class Unavailable(VitrineError):
    """The server, or a model that the request needs, is not there."""

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

# Triton's own sentences (server core and Python backend, 2.51) whose code alone would mislead.
_TRITON_SAYS: tuple[tuple[str, type[VitrineError]], ...] = (
    ("Exceeds maximum queue size", Busy),
    ("the shared memory pool", Busy),  # "Failed to increase the shared memory pool size": /dev/shm is full
    ("Request timeout expired", Busy),  # the queue policy's timeout: it waited and never ran
    ("has no available versions", Unavailable),
    ("Request for unknown model", NotFound),
    ("is not healthy", Unavailable),  # "Stub process … is not healthy": its instance is dead until reloaded
)

_BY_CODE: dict[str, type[VitrineError]] = {
    "INVALID_ARG": BadRequest,
    "UNSUPPORTED": BadRequest,
    "NOT_FOUND": NotFound,
    "UNAVAILABLE": Unavailable,
    "CANCELLED": Cancelled,
}


def to_wire(error: VitrineError) -> tuple[str, str]:
    """The code (name of a TritonError constant) and the text that tell the other side of `error`."""
    return error.code, f"{error.word}: {error}"


def from_wire(code: str | None, text: str) -> VitrineError:
    """The error that `to_wire` put on the wire; Triton's own errors by their sentence or their code.

    `code` is None where the protocol carries none (a stream's error message).
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
    """The error's message without its line breaks."""
    return " ".join(str(error).split())
