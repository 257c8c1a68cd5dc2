"""Writes files whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from vitrine.errors import VitrineError


def save(content: bytes, path: Path) -> None:
    """Write a whole file or none, with the usual permissions; create its folder.

    Raises VitrineError where it cannot be written. Safe to use from several threads.
    """
    draft = path.parent / f".{secrets.token_hex(8)}{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(exist_ok=False)  # the kernel applies the umask, which only a change could read
        try:
            draft.write_bytes(content)
            os.replace(draft, path)
        except BaseException:
            draft.unlink()
            raise
    except OSError as error:
        raise VitrineError(f"cannot write {path}: {error.strerror}") from error
