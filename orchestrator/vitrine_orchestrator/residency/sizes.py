"""What each model took when it was last measured, kept in a file by the digest of its weights.

A model that was never measured is estimated from its files.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

PROCESS_BYTES = 96 * 2**20  # a Python process with ONNX Runtime and a small network (docs/residency.md)
WORK = 1.25  # memory of a network with its work, as a multiple of its files, until it has been measured
LOAD_S, READ_BYTES_PER_S = 1.5, 500e6  # estimate of a load that was never seen: start, and reading the files
FORMAT = 1


@dataclass(frozen=True)
class Size:
    """The most memory that a model took, and the seconds of its last load."""

    bytes: int
    load_s: float


def estimate(file_bytes: int, process_bytes: int = PROCESS_BYTES) -> Size:
    """The size of a model that was never measured; `process_bytes` is 0 for memory of a device."""
    return Size(round(file_bytes * WORK) + process_bytes, LOAD_S + file_bytes / READ_BYTES_PER_S)


def read_sizes(path: Path) -> dict[str, Size]:
    """The sizes in a file, by digest; none if there is no file or it cannot be read, which is logged."""
    if not path.exists():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["format"] != FORMAT:
            return {}
        return {
            digest: Size(int(one["bytes"]), float(one["load_s"])) for digest, one in held["sizes"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("measured sizes cannot be read from %s: %s", path, error)
        return {}


def write_sizes(path: Path, sizes: Mapping[str, Size]) -> None:
    """Write a whole file or none; an error is logged, since nothing depends on it until the next start."""
    text = json.dumps({"format": FORMAT, "sizes": {digest: asdict(one) for digest, one in sizes.items()}})
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        logger.warning("measured sizes cannot be written to %s: %s", path, error)


class KeptSizes:
    """The sizes of a server's models in a file that other servers may share."""

    def __init__(self, path: Path, digests: Mapping[str, str]) -> None:
        """`digests` of the models' weights, by name."""
        self._path, self._digests, self._known = path, digests, read_sizes(path)

    def of(self, name: str) -> Size | None:
        """What an earlier server measured; None if it has not."""
        return self._known.get(self._digests[name])

    def keep(self, sizes: Mapping[str, Size]) -> None:
        """Write what was measured, by name, next to what the file has."""
        known = self._known | {self._digests[name]: size for name, size in sizes.items()}
        if known != self._known:
            self._known = read_sizes(self._path) | known
            write_sizes(self._path, self._known)
