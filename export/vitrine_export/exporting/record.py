"""manifest.json: describes an export, so that a later export can detect that nothing has changed.

Every Python model that serves a family has the family's entry in its manifest, the same in each; entries of
other families stay as they are. `vitrine_orchestrator.manifest` reads it. No torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from vitrine.errors import Unavailable
from vitrine_orchestrator.manifest import FILE, manifest_text, read_releases
from vitrine_orchestrator.stages import stages_of

from vitrine_export.checkpoint.digest import file_digest
from vitrine_export.checkpoint.protocol import AnyCheckpoint
from vitrine_export.exporting.families import export_of
from vitrine_export.folder_lock import folder_lock

PARTS = {"digest", "exporter", "precision", "files", "tokens"}
"""What an export reads of an entry."""


@dataclass
class Record:
    """One family's part of a repository: checkpoint and exporter, and each stage's precision and files."""

    digest: str
    exporter: str
    precision: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # path in the repository → sha256
    tokens: dict[str, Any] = field(default_factory=dict)  # special ids of the tokenizers

    def holds(self, stage: str, precision: str, expected: Iterable[str], repository: Path) -> bool:
        """Return whether the stage's files exist unchanged, with that precision."""
        names = {*self.files_of(stage), *expected}
        return self.precision.get(stage) == precision and all(
            name in self.files
            and (repository / name).is_file()
            and file_digest(repository / name) == self.files[name]
            for name in names
        )

    def files_of(self, stage: str) -> list[str]:
        """Return the recorded paths of a stage."""
        return [name for name in self.files if name.startswith(f"{stage}/")]

    def forget(self, stage: str) -> None:
        """Remove the stage from the record."""
        self.precision.pop(stage, None)
        for name in self.files_of(stage):
            del self.files[name]

    def add(self, stage: str, precision: str, paths: Iterable[Path], repository: Path) -> None:
        """Record exactly these files for the stage."""
        self.forget(stage)
        self.precision[stage] = precision
        for path in paths:
            self.files[path.relative_to(repository).as_posix()] = file_digest(path)


def manifest_folders(repository: Path, family: str) -> list[Path]:
    """Return the folders whose manifest has an entry of the family: version 1 of its Python models."""
    return [repository / row.name / "1" for row in stages_of(family) if row.needs_manifest]


def read_record(repository: Path, family: str, digest: str, exporter: str) -> Record:
    """Read the family's record of a repository; it is empty for another checkpoint or exporter."""
    entries = [entries_of(folder).get(family) for folder in manifest_folders(repository, family)]
    given = entries[0]
    if None in entries or not given or not given.keys() >= PARTS:
        return Record(digest, exporter)
    if (given["digest"], given["exporter"]) == (digest, exporter):
        return Record(digest, exporter, given["precision"], given["files"], given["tokens"])
    return Record(digest, exporter)


def entries_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return a manifest's entries by family; none where it cannot be read: everything is exported again."""
    try:
        return {family: one for family, one in read_releases(folder).items() if isinstance(one, dict)}
    except (Unavailable, OSError, ValueError, KeyError):
        return {}


def write_manifest(repository: Path, checkpoint: AnyCheckpoint, record: Record) -> None:
    """Write the checkpoint's entry into the manifest of its family's Python models, each with one rename.

    Exports of other families into the same repository may run at the same time.
    """
    for folder in manifest_folders(repository, checkpoint.family):
        folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(folder, wait=True):
            _write_entry(folder, checkpoint.family, entry(checkpoint, record))


def _write_entry(folder: Path, family: str, written: dict[str, Any]) -> None:
    for left in folder.glob(f".{FILE}.*"):  # of an export that was killed
        left.unlink(missing_ok=True)
    draft = folder / f".{FILE}.{uuid4().hex}"
    try:
        draft.write_text(manifest_text(entries_of(folder) | {family: written}), encoding="utf-8")
        draft.replace(folder / FILE)
    finally:
        draft.unlink(missing_ok=True)


def entry(checkpoint: AnyCheckpoint, record: Record) -> dict[str, Any]:
    """Return the manifest's entry of a checkpoint."""
    return {
        "facts": export_of(checkpoint.family).facts(checkpoint, record.tokens),
        "digest": record.digest,
        "exporter": record.exporter,
        "tokens": record.tokens,
        "precision": dict(sorted(record.precision.items())),
        "files": dict(sorted(record.files.items())),
    }
