"""Errors of exports and releases; each message is one sentence."""

import errno

from vitrine.errors import VitrineError, one_line

REMEDIES: dict[int, str] = {
    errno.EACCES: "let this user read it, or write into its folder",
    errno.EPERM: "let this user read it, or write into its folder",
    errno.EROFS: "name a folder that can be written",
    errno.ENOSPC: "free some of the disk, or name a folder of another one",
    errno.ENOTDIR: "name a folder, not a file",
    errno.EEXIST: "name a folder, not a file",
    errno.ELOOP: "the link leads to itself: name the file itself",
}
"""What to do by the system's reason."""


class BadCheckpoint(VitrineError):
    """A checkpoint is incomplete, damaged or of another architecture; names file, rule and value."""

    code = "INVALID_ARG"
    word = "bad checkpoint"


class ExportFailed(VitrineError):
    """A stage could not be exported, or its file computes something else than torch; names the stage."""

    word = "export failed"


class ReleaseFailed(VitrineError):
    """A release cannot be added, loaded or withdrawn; names the model or the version."""

    word = "release failed"


class NothingNew(ReleaseFailed):
    """An export is what the newest release is."""


def refusal(error: OSError) -> str:
    """Return one line about what the system refused: the file, the reason, and the remedy."""
    remedy = REMEDIES.get(error.errno or 0, "see that it is there and can be read")
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or one_line(error)}; {remedy}"
