"""What a model's version folder says of the checkpoint it was exported from: `manifest.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitrine.errors import Unavailable

FILE = "manifest.json"
FORMAT = 2


@dataclass(frozen=True)
class Manifest:
    """Origin and files of one exported checkpoint. Every model of it carries the same one."""

    family: str  # of networks and pipelines: which reads the facts
    facts: Mapping[str, Any]  # what the family's models work with: see its own dataclass of facts
    digest: str  # SHA-256 of the checkpoint
    exporter: str  # its version
    files: Mapping[str, str]  # SHA-256 of each exported file
    version: int = 1  # the folder that the manifest lies in
    stages: Mapping[str, int] = field(default_factory=dict)  # versions of stages where they differ from it

    def version_of(self, stage: str) -> int:
        """Which version of another model this one calls, whatever else is loaded."""
        return self.stages.get(stage, self.version)

    @property
    def pipeline_digest(self) -> str:
        """Changes with the checkpoint, the exporter and every exported file: part of a result's cache key."""
        said = json.dumps([self.digest, self.exporter, sorted(self.files.items())])
        return hashlib.sha256(said.encode()).hexdigest()


def versions(repository: Path, model: str) -> list[int]:
    """The versions of a model in a repository, in order."""
    return sorted(int(path.name) for path in (repository / model).glob("*/") if path.name.isdigit())


def read_manifest_json(folder: Path) -> dict[str, Any]:
    """The manifest in a version folder as written; Unavailable when it is missing or another format's."""
    path = folder / FILE
    try:
        given = json.loads(path.read_text())
    except FileNotFoundError:
        raise Unavailable(f"{path} is missing: run make export") from None
    if given.get("format") != FORMAT:
        raise Unavailable(f"{path} must have format {FORMAT}, got {given.get('format')!r}: run make export")
    return given


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a version folder; Unavailable when it is missing or another format's."""
    given = read_manifest_json(folder)
    return Manifest(
        family=given["family"],
        facts=given["facts"],
        digest=given["digest"],
        exporter=str(given["exporter"]),
        files=given["files"],
        version=int(folder.name) if folder.name.isdigit() else 1,
        stages=given.get("stages", {}),
    )
