"""Silences the warnings of picture libraries, in threads too."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LIBRARIES = r"(PIL|pillow_heif)\b"
_lock = threading.Lock()
_inside: list[warnings.catch_warnings] = []  # one entry for each thread that reads; the first has the filters


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings of the picture libraries inside, also where warnings are errors.

    Pillow warns of damaged metadata and goes on. Filters belong to the whole process: the first thread that
    enters sets them and the last that leaves restores them.
    """
    with _lock:
        kept = _inside[0] if _inside else _ignoring()
        _inside.append(kept)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                kept.__exit__(None, None, None)


def _ignoring() -> warnings.catch_warnings:
    """The filters as they were, after they have been changed."""
    kept = warnings.catch_warnings()
    kept.__enter__()
    warnings.filterwarnings("ignore", module=LIBRARIES)
    return kept
