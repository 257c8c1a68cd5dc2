"""The exporter's version, on which an export depends besides checkpoint and options. Imports no torch."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

SOURCES = ("checkpoint", "exporting", "nets", "person_nets")
"""The folders of this package that can change an exported file."""


def exporter_version() -> str:
    """Return `VERSION+SOURCES.torchVERSION`, which changes with the release, our sources and torch."""
    package = Path(__file__).parent.parent
    found = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((package / folder).rglob("*.py")):
            found.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes())
    return f"{version('vitrine')}+{found.hexdigest()[:12]}.torch{version('torch')}"
