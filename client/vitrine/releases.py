"""Pinning a release: which version of the pipelines a client calls, whatever else is loaded."""

from __future__ import annotations

from vitrine.errors import BadRequest

PIPELINES = ("try_on", "try_on_stream", "prepare_person", "prepare_garment", "prepare_text")
"""The models that make a release together; each calls the versions of the stages it was released with."""


def read_release(release: int | None) -> str:
    """Triton's version word of a release, "" for the newest; BadRequest unless a whole number from 1."""
    if release is None:
        return ""
    if isinstance(release, bool) or not isinstance(release, int) or release < 1:
        raise BadRequest(f"release must be a whole number from 1, got {release!r}")
    return str(release)


def version_of(model: str, version: str, release: str) -> str:
    """The version of a model to call: the one asked for, else the pinned release's if it is a pipeline."""
    return version or (release if model in PIPELINES else "")
