"""Reads `manifest.json`, the description in a version folder of the checkpoint it was exported from."""

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
    """Origin and files of one exported checkpoint. All models of the checkpoint have the same manifest."""

    family: str  # the family of networks and pipelines, which reads the facts
    facts: Mapping[str, Any]  # sizes and defaults: see the family's dataclass of facts
    digest: str  # SHA-256 of the checkpoint
    exporter: str  # version of the exporter
    files: Mapping[str, str]  # SHA-256 of each exported file
    version: int = 1  # the name of the manifest's folder
    stages: Mapping[str, int] = field(default_factory=dict)  # versions of stages that differ from `version`

    def version_of(self, stage: str) -> int:
        """The version of another model that this one calls, even when other versions are loaded."""
        return self.stages.get(stage, self.version)

    @property
    def pipeline_digest(self) -> str:
        """Digest of checkpoint, exporter and all exported files; part of a result's cache key."""
        parts = json.dumps([self.digest, self.exporter, sorted(self.files.items())])
        return hashlib.sha256(parts.encode()).hexdigest()


def versions(repository: Path, model: str) -> list[int]:
    """The versions of a model in a repository, in order."""
    return sorted(int(path.name) for path in (repository / model).glob("*/") if path.name.isdigit())


def read_manifest_json(folder: Path) -> dict[str, Any]:
    """The manifest of a version folder as JSON; Unavailable when missing or of another format."""
    path = folder / FILE
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise Unavailable(f"{path} is missing: run make export") from None
    if manifest.get("format") != FORMAT:
        raise Unavailable(
            f"{path} must have format {FORMAT}, got {manifest.get('format')!r}: run make export"
        )
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a version folder; Unavailable when it is missing or of another format."""
    manifest = read_manifest_json(folder)
    return Manifest(
        family=manifest["family"],
        facts=manifest["facts"],
        digest=manifest["digest"],
        exporter=str(manifest["exporter"]),
        files=manifest["files"],
        version=int(folder.name) if folder.name.isdigit() else 1,
        stages=manifest.get("stages", {}),
    )
