"""Pins a release: the version of the pipelines that a client calls."""

from __future__ import annotations

from vitrine.errors import BadRequest

PIPELINES = (
    *("try_on", "try_on_stream", "prepare_person", "prepare_garment", "prepare_text"),
    *("text_to_image", "image_to_image", "picture_stream", "prepare_prompt", "score"),
    "cut_out",
)
"""The models of a release; each calls the stage versions that it was released with."""


def read_release(release: int | None) -> str:
    """Return Triton's version string of a release, "" for the newest; BadRequest unless an integer from 1."""
    if release is None:
        return ""
    if isinstance(release, bool) or not isinstance(release, int) or release < 1:
        raise BadRequest(f"release must be a whole number from 1, got {release!r}")
    return str(release)


def version_of(model: str, version: str, release: str) -> str:
    """Return the version of a model to call: `version` if set, else the pinned release for a pipeline."""
    return version or (release if model in PIPELINES else "")
