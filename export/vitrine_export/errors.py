"""Errors of exports and releases; each message is one sentence."""

from vitrine.errors import VitrineError


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
