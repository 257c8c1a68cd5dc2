"""Errors on the way from a checkpoint to a model repository; each message is one sentence."""

from vitrine.errors import VitrineError


class BadCheckpoint(VitrineError):
    """A checkpoint is incomplete, damaged or of another architecture: names the file, the rule, the value."""

    code = "INVALID_ARG"
    word = "bad checkpoint"


class ExportFailed(VitrineError):
    """A stage could not be exported, or its file does not compute what torch does: names the stage."""

    word = "export failed"


class ReleaseFailed(VitrineError):
    """A release cannot be added, loaded or withdrawn: names the model or the version."""

    word = "release failed"
