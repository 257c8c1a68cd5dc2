"""Digests of files and of whole checkpoints. Imports no torch, so that an export without changes is quick."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

SHOWN_FROM_BYTES = 256 * 2**20
"""Larger amounts show a progress bar while they are read."""

_CHUNK_BYTES = 2**20


def digest_of(files: Iterable[tuple[str, Path]]) -> str:
    """Return the sha256, in hex, over (name, NUL, file's sha256, newline) of each file in order."""
    named = list(files)
    total = sum(path.stat().st_size for _, path in named)
    whole = hashlib.sha256()
    with tqdm(total=total, unit="B", unit_scale=True, desc="digest", disable=total < SHOWN_FROM_BYTES) as bar:
        for name, path in named:
            whole.update(f"{name}\0{file_digest(path, bar)}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def file_digest(path: Path, bar: tqdm | None = None) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
            if bar is not None:
                bar.update(len(chunk))
    return found.hexdigest()
