"""The versions of a model repository as folders: those a release adds or shares, and those no longer needed.

A release is a version of the pipelines. Its manifest has an entry for each family that it serves, with the
version of every other stage that the family's pipelines call. A stage with equal files in two releases is
neither copied nor loaded twice. A family that a new release does not change is taken over from the newest
one: its pipelines get the new version as well, its networks and its digest stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine_orchestrator.manifest import (
    FILE,
    Manifest,
    manifest_text,
    read_manifests,
    read_releases,
    versions,
)
from vitrine_orchestrator.stages import NETWORK_FILE, STAGES, Stage, stage, stages_of

from vitrine_export.checkpoint.digest import file_digest
from vitrine_export.errors import ReleaseFailed

MODELS = tuple(row for row in STAGES if row.families)
"""Models in loading order: a model comes after the models that it calls."""

CODE = "model.py"
FACTS = ("facts", "tokens")
"""Fields of a manifest's entry that models read; the others describe the export."""

Releases = dict[int, dict[str, Manifest]]
"""Manifests by version and family."""


@dataclass(frozen=True)
class Part:
    """One family of a release: the repository that its folders are copied from, and the stages it shares."""

    source: Path
    manifest: Manifest  # in `source`
    shared: Mapping[str, int]  # the version of each stage that the release shares with an older one

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose folders are copied."""
        return tuple(name for name in _names(self.source, self.manifest) if name not in self.shared)


@dataclass(frozen=True)
class Release:
    """A version of the pipelines, and its part of each family."""

    version: int
    parts: Mapping[str, Part]

    @property
    def models(self) -> tuple[str, ...]:
        """The models with a folder of this version, in loading order."""
        copied = {name for part in self.parts.values() for name in part.models}
        return tuple(row.name for row in MODELS if row.name in copied)

    @property
    def shared(self) -> dict[str, int]:
        """The versions that it shares with older releases, by model; of several, the newest."""
        return {
            name: version for part in self.parts.values() for name, version in sorted(part.shared.items())
        }


def releases(repository: Path) -> Releases:
    """Return the releases in a repository."""
    found: Releases = {}
    for row in MODELS:
        for version in versions(repository, row.name) if row.of_release else ():
            folder = repository / row.name / str(version)
            if (folder / FILE).exists():
                found.setdefault(version, {}).update(read_manifests(folder))
    return found


def planned(source: Path, target: Path) -> Release:
    """Return the release that the exported repository `source` becomes in `target`; or ReleaseFailed."""
    present = releases(target)
    if not present:
        raise ReleaseFailed(f"{target} holds no release: run make export")
    newest = present[max(present)]
    given = releases(source).get(1, {})
    if not given:
        raise ReleaseFailed(f"{source} holds no export: run vitrine-export onnx")
    for manifest in given.values():
        _check_complete(source, manifest)
    parts = {
        family: _part(source, manifest, target, newest.get(family)) for family, manifest in given.items()
    }
    unchanged = {family for family, part in parts.items() if _is_unchanged(part, target, newest.get(family))}
    if unchanged == parts.keys():
        raise ReleaseFailed(f"{source} is what release {max(present)} of {target} is: nothing has changed")
    chosen = {family: _own_pipelines(part) for family, part in parts.items() if family not in unchanged}
    for family, manifest in newest.items():
        if family not in chosen:
            kept = {name: manifest.version_of(name) for name in _names(target, manifest)}
            chosen[family] = _own_pipelines(Part(target, manifest, kept))
    version = 1 + max(max(versions(target, row.name), default=0) for row in MODELS)
    return Release(version, chosen)


def add(release: Release, source: Path, target: Path) -> None:
    """Write the release's folders, each with one rename, the pipelines last."""
    for name in release.models:
        made = target / name / f".{release.version}.draft"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        parts = {family: part for family, part in release.parts.items() if name in part.models}
        for family, part in parts.items():
            folder = _folder(part.source, part.manifest, name)
            for path in _content(folder, family):
                shutil.copy2(path, made / path.name)
        if stage(name).needs_manifest:
            shutil.copy2(target / name / str(max(versions(target, name))) / CODE, made / CODE)
            entries = {family: _entry(release, part, name) for family, part in parts.items()}
            (made / FILE).write_text(manifest_text(entries))
        made.replace(target / name / str(release.version))


def withdraw(version: int, repository: Path) -> dict[str, list[int]]:
    """Remove a release's folders that no other release needs; return the removed versions by model."""
    left = releases(repository)
    if version not in left:
        raise ReleaseFailed(
            f"{repository} has no release {version}, only {', '.join(map(str, sorted(left)))}"
        )
    del left[version]
    if not left:
        raise ReleaseFailed(f"release {version} is the only one of {repository}")
    removed: dict[str, list[int]] = {}
    manifests = [manifest for families in left.values() for manifest in families.values()]
    for row in reversed(MODELS):  # a model is removed before the models that it calls
        needed = {manifest.version_of(row.name) for manifest in manifests if manifest.family in row.families}
        for unneeded in set(versions(repository, row.name)) - needed:
            folder = repository / row.name / str(unneeded)
            if (folder / _proof(row)).exists():  # code alone is of no release
                shutil.rmtree(folder)
                removed.setdefault(row.name, []).append(unneeded)
    return removed


def _names(repository: Path, manifest: Manifest) -> list[str]:
    """Return the models of a manifest's family, without optional ones that the repository lacks."""
    rows = stages_of(manifest.family)
    return [row.name for row in rows if row.needed or _folder(repository, manifest, row.name).is_dir()]


def _folder(repository: Path, manifest: Manifest, name: str) -> Path:
    return repository / name / str(manifest.version_of(name))


def _check_complete(source: Path, manifest: Manifest) -> None:
    """Raise ReleaseFailed for a stage or a file that is missing, or differs from the manifest's digest."""
    rows = stages_of(manifest.family)
    missing = [
        row.name for row in rows if row.needed and not (source / row.name / "1" / _proof(row)).exists()
    ]
    if missing:
        raise ReleaseFailed(f"{source} lacks {', '.join(missing)}: export every stage of a release")
    for name, digest in manifest.files.items():
        path = source / name
        if not path.is_file():
            raise ReleaseFailed(f"{source} lacks {name}, which its manifest names: export it again")
        if (found := file_digest(path)) != digest:
            raise ReleaseFailed(
                f"{path} is not the file that was exported: its SHA-256 is {found[:12]}…, "
                f"the manifest says {digest[:12]}…; export it again"
            )


def _part(source: Path, manifest: Manifest, target: Path, served: Manifest | None) -> Part:
    """Return a family's part with all stages shared that are equal in the served release."""
    if served is None:
        return Part(source, manifest, {})
    same = {
        name: served.version_of(name)
        for name in _names(source, manifest)
        if _same(source / name / "1", _folder(target, served, name), manifest.family)
    }
    return Part(source, manifest, same)


def _is_unchanged(part: Part, target: Path, served: Manifest | None) -> bool:
    """Whether the served release has the same stages, all of them equal."""
    return served is not None and part.shared.keys() == set(_names(target, served)) and not part.models


def _own_pipelines(part: Part) -> Part:
    """Return the part with pipelines of its own: caches are keyed by them."""
    return Part(
        part.source,
        part.manifest,
        {name: version for name, version in part.shared.items() if not stage(name).of_release},
    )


def _proof(row: Stage) -> str:
    """Return the file that every complete version has."""
    return FILE if row.needs_manifest else NETWORK_FILE


def _entries(folder: Path) -> dict[str, dict[str, Any]]:
    return read_releases(folder) if (folder / FILE).exists() else {}


def _content(folder: Path, family: str) -> Iterable[Path]:
    """Return a family's files in a version folder: those that no other family's manifest names.

    A file made beside a graph, such as an engine, has the first word of the graph's name.
    """
    place = f"{folder.parent.name}/{folder.name}/"
    owners = {
        path.removeprefix(place).partition(".")[0]: owner
        for owner, entry in _entries(folder).items()
        for path in entry["files"]
        if path.startswith(place)
    }
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in (CODE, FILE))
    return [path for path in files if owners.get(path.name.partition(".")[0], family) == family]


def _same(new: Path, old: Path, family: str) -> bool:
    """Whether two version folders of a model have equal files and equal facts of a family."""
    if not old.is_dir():
        return False
    files = [{path.name: path for path in _content(folder, family)} for folder in (new, old)]
    facts = [
        {key: value for key, value in _entries(folder).get(family, {}).items() if key in FACTS}
        for folder in (new, old)
    ]
    return (
        facts[0] == facts[1]
        and files[0].keys() == files[1].keys()
        and all(file_digest(path) == file_digest(files[1][name]) for name, path in files[0].items())
    )


def _entry(release: Release, part: Part, name: str) -> dict[str, Any]:
    """Return a family's entry in the manifest of a model, with the versions that this release calls."""
    family = part.manifest.family
    given = _entries(_folder(part.source, part.manifest, name))[family]
    files = {}
    for path, digest in given["files"].items():
        model, _, rest = path.split("/", 2)
        files[f"{model}/{part.shared.get(model, release.version)}/{rest}"] = digest
    return given | {"files": files, "stages": dict(part.shared)}
