"""Parts of a picture that are worked on one after another, because all of it would take much memory."""

from __future__ import annotations

from collections.abc import Iterator

ROWS = 256
"""The most rows of a part. Linear light and Lab need many times the memory of levels."""


def bands(first: int, last: int) -> Iterator[slice]:
    """Slices of at most ROWS rows each, from `first` to before `last`; an empty one if there are none."""
    for top in range(first, max(last, first + 1), ROWS):
        yield slice(top, min(top + ROWS, last))
