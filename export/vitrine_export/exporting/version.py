"""What, beside the checkpoint and the options, decides what an export gives. No torch."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

SOURCES = ("checkpoint", "exporting", "nets", "person_nets")
"""The folders of this package that an exported file depends on."""


def exporter_version() -> str:
    """`VERSION+SOURCES.torchVERSION`: changes with the release, with our sources and with torch."""
    package = Path(__file__).parent.parent
    found = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((package / folder).glob("*.py")):
            found.update(f"{folder}/{path.name}\0".encode() + path.read_bytes())
    return f"{version('vitrine')}+{found.hexdigest()[:12]}.torch{version('torch')}"
