"""Detects files with wrong contents: pointers, web pages, empty files. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from vitrine_export.errors import BadCheckpoint

FIRST_BYTES = 1024
"""Bytes read of a file: enough for a whole pointer and for the beginning of a page."""

PRETENDERS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    (
        (b"version https://git-lfs.github.com/spec", b"version https://hawser.github.com/spec"),
        "is a git-lfs pointer instead of the file: run `git lfs install` and `git lfs pull` in the clone",
    ),
    (
        (b"/annex/objects/", b"../.git/annex/"),
        "is a git-annex pointer instead of the file: run `git annex get` in the clone",
    ),
    (
        (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--"),
        "is a web page instead of the file (an error or a login that was saved); fetch it again",
    ),
    (
        (b'{"error"', b'{"message"', b'{"detail"', b"invalid username or password", b"access to model"),
        "is a server's error message instead of the file; fetch it again",
    ),
    (
        (b"entry not found", b"not found", b"404: not found", b"404 not found", b"repository not found"),
        'is a server\'s "not found" instead of the file; fetch it again',
    ),
)
"""The first bytes of a file in lower case, and a description of such a file with its remedy."""


def wrong_content(path: Path) -> str | None:
    """Return what is wrong with an empty or substituted file; None if nothing is detected."""
    size = path.stat().st_size
    if not size:
        return "is empty (0 bytes); fetch it again"
    try:
        with path.open("rb") as file:
            first = file.read(FIRST_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    except OSError as error:
        return _refused(error)
    for beginnings, sentence in PRETENDERS:
        if first.startswith(beginnings):
            return f"{sentence} ({size} bytes)"
    return None


def _refused(error: OSError) -> str:
    return f"cannot be read ({error.strerror}): let this user read it, as with chmod -R u+rX"


def ensure_present(path: Path, label: str) -> None:
    """Raise BadCheckpoint for a missing file, a link to a missing file, and a folder that cannot be read."""
    try:
        if path.is_file():
            return
    except OSError as error:
        raise BadCheckpoint(f"{label} {_refused(error)}") from error
    if path.is_symlink():
        raise BadCheckpoint(
            f"{label} is a link to {path.readlink()}, which is not there: fetch the file, or copy the "
            "checkpoint with its links followed (cp -L)"
        )
    if path.is_dir():
        raise BadCheckpoint(f"{label} must be a file, is a folder")
    raise BadCheckpoint(f"{label} is missing")


def ensure_real(path: Path, label: str) -> None:
    """Raise BadCheckpoint for a file that is empty, a pointer, or a web page."""
    if wrong := wrong_content(path):
        raise BadCheckpoint(f"{label} {wrong}")
