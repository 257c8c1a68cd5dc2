"""The fonts that the system has, by fontconfig's list.

Only the list is used. A match (fc-match) always answers something, often another family or another
language's face of the same one, so the names are read again from each file.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vitrine_orchestrator.lettering.faces import SUFFIXES, Face, read_faces
from vitrine_orchestrator.settings import BadSettings

PROGRAM = "fc-list"
TIMEOUT_S = 30.0

logger = logging.getLogger(__name__)


def system_files() -> dict[str, tuple[Path, ...]]:
    """The system's font files by family name; empty, with a warning, where fontconfig is missing."""
    program = shutil.which(PROGRAM)
    if program is None:
        logger.warning("%s is missing, so no font of the system is found: install fontconfig", PROGRAM)
        return {}
    try:
        listed = subprocess.run(
            [program, "--format", "%{file}\t%{family}\n"],
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("%s failed, so no font of the system is found: %s", PROGRAM, type(error).__name__)
        return {}
    return _read(listed)


def _read(listed: bytes) -> dict[str, tuple[Path, ...]]:
    """The files by family name. Names are UTF-8 whatever the locale is, which is often C in a server."""
    found: dict[str, dict[Path, None]] = {}
    for line in listed.splitlines():
        file, _, families = line.partition(b"\t")
        path = Path(os.fsdecode(file))
        for family in families.decode(errors="replace").split(","):
            if family.strip() and path.suffix.lower() in SUFFIXES:
                found.setdefault(family.strip(), {})[path] = None
    return {family: tuple(files) for family, files in found.items()}


def faces_of(files: Sequence[Path]) -> list[Face]:
    """The faces of some of the system's files; a file that cannot be read is left out, with a warning."""
    faces: list[Face] = []
    for file in files:
        try:
            faces += read_faces(file)
        except BadSettings as error:
            logger.warning("%s", error)
    return faces
