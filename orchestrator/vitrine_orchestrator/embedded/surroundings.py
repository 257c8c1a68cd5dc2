"""What a server is given by default, and what its errors say."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from tritonclient.utils import InferenceServerException
from vitrine.errors import Unavailable

PLAIN = re.compile(r"[\w./,=+-]*", re.ASCII)  # characters of a path that mean nothing to a shell


def with_folders(environment: dict[str, str], own: Path, derived: Path) -> dict[str, str]:
    """Add the folders that are not set: of a cache for this server's lifetime, which holds invalidations but
    no values, and of graphs that outlive it.
    """
    given = {"VITRINE_GRAPH_FOLDER": str(derived / "graphs"), **environment}
    if "VITRINE_CACHE_FOLDER" in given:
        return given
    return {"VITRINE_CACHE_DISK_BYTES": "0", **given, "VITRINE_CACHE_FOLDER": str(own / "cache")}


def plain_temporary_folder() -> str:
    """A folder for temporary files whose path needs no quotes: Triton puts it into a line of shell.

    Raises Unavailable if there is none.
    """
    usual = tempfile.gettempdir()
    for folder in (usual, "/tmp", "/var/tmp"):
        if PLAIN.fullmatch(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise Unavailable(f"TMPDIR must be a folder whose path needs no quotes in a shell, got {usual!r}")


def triton_reason(error: Exception) -> str:
    """The reason in Triton's message, in one line without codes and places in code."""
    text = str(error.message()) if isinstance(error, InferenceServerException) else str(error)
    text = re.sub(r"At:.*$|\[StatusCode\.\w+\] |TritonModelException: ", "", " ".join(text.split()))
    return text.rpartition("Internal: ")[2].strip(" ;")[:400]


def last_error(log: Path) -> str:
    """The last error of a server's log, its last line where it has none."""
    lines = log.read_text(errors="replace", encoding="utf-8").splitlines()
    errors = [line for line in lines if re.match(r"E\d{4} |error|.*: error while loading", line)]
    return (errors or lines or ["it wrote no log"])[-1].split("] ", 1)[-1].strip()
