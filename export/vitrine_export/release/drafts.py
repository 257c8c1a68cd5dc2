"""Folders of a release that is being written, what a killed publish leaves of them, and removals."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from vitrine_export.errors import ReleaseFailed
from vitrine_export.folder_lock import folder_lock

DRAFT = re.compile(r"\.([1-9][0-9]{0,17})\.[0-9a-f]{32}\.draft")
ANY_DRAFT = "*/.*.draft"


@contextmanager
def repository_lock(repository: Path) -> Iterator[None]:
    """Hold a repository for a publish or a withdraw; ReleaseFailed while another one is under way."""
    if not repository.is_dir():
        raise ReleaseFailed(f"there is no repository {repository}")
    try:
        with folder_lock(repository, wait=False):
            yield
    except BlockingIOError:
        raise ReleaseFailed(
            f"another publish or withdraw is under way in {repository}: try again when it has ended"
        ) from None


def draft_of(model: Path, version: int) -> Path:
    """Return a new name for a version's folder that is being written; servers do not read it."""
    return model / f".{version}.{uuid4().hex}.draft"


def unfinished(repository: Path) -> set[int]:
    """Return the versions of which a publish that was killed has left drafts.

    All drafts of a release are written before the first one gets its name, so such a version is incomplete.
    """
    found = (DRAFT.fullmatch(path.name) for path in repository.glob(ANY_DRAFT))
    return {int(match[1]) for match in found if match}


def clear_unfinished(repository: Path) -> set[int]:
    """Remove what killed publishes have left, under the repository's lock; return the removed versions."""
    found = unfinished(repository)
    for version in found:
        for path in repository.glob(f"*/{version}"):
            remove(path)
    for path in repository.glob(ANY_DRAFT):  # last: they mark the version as incomplete
        remove(path)
    return found


def remove(folder: Path) -> None:
    """Remove a folder; of a link only the link."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)


def check_removable(folders: Iterable[Path]) -> None:
    """Raise ReleaseFailed for a folder that could not be removed, before the first one is."""
    for folder in folders:
        for place in (folder.parent,) if folder.is_symlink() else (folder.parent, folder):
            if not os.access(place, os.W_OK | os.X_OK):
                raise ReleaseFailed(f"{place} cannot be written, so nothing is removed")


def undo(made: Iterable[Path]) -> None:
    """Remove what a publish that fails has made, as far as the disk lets it."""
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # a model that was not there before; never one with versions
