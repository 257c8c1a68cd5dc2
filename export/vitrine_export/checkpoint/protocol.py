"""What an export reads of a checkpoint of any family. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class AnyCheckpoint(Protocol):
    """A checkpoint folder. All methods raise BadCheckpoint, which names the file, for wrong contents."""

    @property
    def folder(self) -> Path:
        """The checkpoint's folder."""

    @property
    def family(self) -> str:
        """The name of its family."""

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file that can change a result, with its name in the layout."""

    def digest(self) -> str:
        """Return the sha256 over the names and bytes of these files."""

    def verify(self, names: Iterable[str]) -> None:
        """Check config, files, keys and shapes of the named networks; reads file headers only."""
