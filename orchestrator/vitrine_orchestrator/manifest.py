"""Reads `manifest.json`: which checkpoints a version folder was exported from, one of each family at most."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vitrine.errors import Unavailable

FILE = "manifest.json"
FORMAT = 3
_VERSION = re.compile(r"[1-9][0-9]{0,17}")  # Triton reads a version as a 64-bit number
_PARTS: dict[str, type] = {"facts": dict, "digest": str, "exporter": object, "files": dict}  # of an entry


@dataclass(frozen=True)
class Manifest:
    """Origin and files of one family's checkpoint in a version folder."""

    family: str  # the family of networks and pipelines, which reads the facts
    facts: Mapping[str, Any]  # sizes and defaults: see the family's dataclass of facts
    digest: str  # SHA-256 of the checkpoint
    exporter: str  # version of the exporter
    files: Mapping[str, str]  # SHA-256 of each exported file, by its path in the repository
    version: int = 1  # the name of the manifest's folder
    stages: Mapping[str, int] = field(default_factory=dict)  # versions of stages that differ from `version`

    def version_of(self, stage: str) -> int:
        """The version of another model that this one calls, even when other versions are loaded."""
        return self.stages.get(stage, self.version)

    @cached_property  # every request reads it
    def pipeline_digest(self) -> str:
        """Digest of checkpoint, exporter and all exported files; part of a result's cache key.

        The versions in the files' paths do not count: a checkpoint that a later release takes over unchanged
        keeps its digest.
        """
        files = sorted((without_version(path), digest) for path, digest in self.files.items())
        return hashlib.sha256(json.dumps([self.digest, self.exporter, files]).encode()).hexdigest()

    def facts_of(self, family: str, names: Set[str]) -> Mapping[str, Any]:
        """The facts; Unavailable unless the manifest is of `family` and has exactly these facts."""
        if self.family != family:
            raise Unavailable(f"the manifest must be of family {family}, got {self.family!r}")
        if wrong := sorted(names ^ self.facts.keys()):
            raise Unavailable(f"the manifest's facts {wrong} are missing or unknown: run make export")
        return self.facts


def without_version(path: str) -> str:
    """A file's path in a repository, MODEL/VERSION/NAME, without the version."""
    model, _, name = path.split("/", 2)
    return f"{model}/{name}"


def is_version(name: str) -> bool:
    """Whether a folder's name is a version: a number from 1, without leading zeros, of at most 18 digits."""
    return _VERSION.fullmatch(name) is not None


def version_folders(model: Path) -> list[Path]:
    """The version folders of a model's folder, in order; other folders are of no version."""
    return sorted((path for path in model.glob("*/") if is_version(path.name)), key=lambda one: int(one.name))


def versions(repository: Path, model: str) -> list[int]:
    """The versions of a model in a repository, in order."""
    return [int(path.name) for path in version_folders(repository / model)]


def read_releases(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifest of a version folder as JSON, by family.

    Unavailable when it is missing, damaged or of another format.
    """
    path = folder / FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unavailable(f"{path} is missing: run make export") from None
    except json.JSONDecodeError as error:
        raise _damaged(path, f"line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise _damaged(path, f"byte {error.start} is no UTF-8") from error
    if not isinstance(manifest, dict):
        raise _damaged(path, "it must be an object")
    if manifest.get("format") != FORMAT:
        raise Unavailable(
            f"{path} must have format {FORMAT}, got {manifest.get('format')!r}: run make export"
        )
    releases = manifest.get("releases")
    if not isinstance(releases, dict):
        raise _damaged(path, "releases must be an object")
    return releases


def read_entries(folder: Path) -> dict[str, dict[str, Any]]:
    """The same, with whole entries; Unavailable also for an entry that lacks a part."""
    return {family: _checked(folder / FILE, family, entry) for family, entry in read_releases(folder).items()}


def _checked(path: Path, family: str, entry: object) -> dict[str, Any]:
    """One entry of a manifest; Unavailable for a part that is missing or of another type."""
    if not isinstance(entry, dict):
        raise _damaged(path, f"the entry of {family} must be an object")
    for name, kind in _PARTS.items():
        if name not in entry or not isinstance(entry[name], kind):
            raise _damaged(path, f"the entry of {family} lacks its {name}")
    return entry


def _damaged(path: Path, where: str) -> Unavailable:
    return Unavailable(f"{path} is damaged ({where}): run make export")


def manifest_text(releases: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a manifest with these entries, by family."""
    return json.dumps({"format": FORMAT, "releases": releases}, indent=2, sort_keys=True) + "\n"


def read_manifests(folder: Path) -> dict[str, Manifest]:
    """The manifests of a version folder, by family; Unavailable as by `read_releases`, or for a bad entry."""
    version = int(folder.name) if is_version(folder.name) else 1
    return {
        family: Manifest(
            family=family,
            facts=entry["facts"],
            digest=entry["digest"],
            exporter=str(entry["exporter"]),
            files=entry["files"],
            version=version,
            stages=entry.get("stages", {}),
        )
        for family, entry in read_entries(folder).items()
    }


def read_manifest(folder: Path, family: str) -> Manifest:
    """One family's manifest of a version folder; Unavailable when the folder has none of it."""
    found = read_manifests(folder)
    if family not in found:
        raise Unavailable(f"{folder / FILE} must hold a release of {family}, it holds {sorted(found)}")
    return found[family]
