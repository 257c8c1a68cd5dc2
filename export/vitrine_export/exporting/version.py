"""The exporter's version, on which an export depends besides checkpoint and options. Imports no torch."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
SOURCES = ("checkpoint", "exporting", "nets", "person_nets")
"""The folders of this package, with theirs, that can change an exported file."""


def exporter_version() -> str:
    """Return `VERSION+SOURCES.torchVERSION`, which changes with the release, our sources and torch."""
    return f"{version('vitrine')}+{digest_of_sources(PACKAGE)[:12]}.torch{version('torch')}"


def digest_of_sources(package: Path) -> str:
    """Return the SHA-256 (hex) of names and contents of all Python files in and below SOURCES."""
    found = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((package / folder).rglob("*.py")):
            found.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes())
    return found.hexdigest()
