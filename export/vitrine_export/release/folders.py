"""The versions of a model repository as folders: those a release adds or shares, and those no longer needed.

A release is a version of the pipelines. Its manifest has an entry for each family that it serves, with the
version of every other stage that the family's pipelines call. A stage with equal files in two releases is
neither copied nor loaded twice. A family that a new release does not change is taken over from the newest
one: its pipelines get the new version as well, its networks and its digest stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine.errors import Unavailable
from vitrine_orchestrator.manifest import FILE, Manifest, manifest_text, read_manifests, versions
from vitrine_orchestrator.stages import STAGES, stage, stages_of

from vitrine_export.errors import NothingNew, ReleaseFailed
from vitrine_export.release.comparing import CODE, check_complete, content, entries, proof, same
from vitrine_export.release.drafts import check_removable, draft_of, remove, undo, unfinished

MODELS = tuple(row for row in STAGES if row.families)
"""Models in loading order: a model comes after the models that it calls."""

PIPELINES = tuple(row.name for row in MODELS if row.of_release)
"""Models of which every release has a version of its own."""

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


def releases(repository: Path, without: int = 0) -> Releases:
    """Return the releases in a repository, whose manifests are read except those of the version `without`.

    ReleaseFailed for a release whose manifest is damaged. A release has every pipeline of its families; a
    version that lacks one is none. In version 1, which exports write, this holds for each family alone.
    """
    found: Releases = {}
    for version in sorted(pipeline_versions(repository) - {without} - unfinished(repository)):
        entries_of = _manifests(repository, version)
        families = {family: manifest for each in entries_of.values() for family, manifest in each.items()}
        whole = {
            family: manifest
            for family, manifest in families.items()
            if all(
                family in entries_of.get(row.name, {})
                for row in stages_of(family)
                if row.needed and row.of_release
            )
        }
        if whole and (version == 1 or whole == families):
            found[version] = whole
    return found


def pipeline_versions(repository: Path) -> set[int]:
    """Return the versions of which a pipeline has a folder; in version 1, code alone is of no release."""
    return {
        version
        for name in PIPELINES
        for version in versions(repository, name)
        if version > 1 or (repository / name / "1" / FILE).exists()
    }


def _manifests(repository: Path, version: int) -> dict[str, dict[str, Manifest]]:
    """Return the manifests of a version by pipeline and family."""
    folders = {name: repository / name / str(version) for name in PIPELINES}
    try:
        return {name: read_manifests(one) for name, one in folders.items() if (one / FILE).exists()}
    except Unavailable as error:
        if version == 1:
            raise
        reason = str(error).removesuffix(": run make export")
        raise ReleaseFailed(f"{reason}: withdraw release {version}") from error


def called(families: Mapping[str, Manifest], name: str) -> set[int]:
    """Return the versions of a model that the pipelines of a release call, or are."""
    return {
        manifest.version_of(name)
        for family, manifest in families.items()
        if name in {row.name for row in stages_of(family)}
    }


def planned(source: Path, target: Path) -> Release:
    """Return the release that the exported repository `source` becomes in `target`; or ReleaseFailed."""
    present = releases(target)
    if not present:
        raise ReleaseFailed(f"{target} holds no release: run make export")
    if torn := pipeline_versions(target) - present.keys():
        raise ReleaseFailed(
            f"version {max(torn)} of {target} lacks pipelines of its families: withdraw {max(torn)}"
        )
    newest = present[max(present)]
    given = releases(source).get(1, {})
    if not given:
        raise ReleaseFailed(f"{source} holds no export: run vitrine-export onnx")
    for manifest in given.values():
        check_complete(source, manifest)
    parts = {
        family: _part(source, manifest, target, newest.get(family)) for family, manifest in given.items()
    }
    unchanged = {family for family, part in parts.items() if _is_unchanged(part, target, newest.get(family))}
    if unchanged == parts.keys():
        raise NothingNew(f"{source} is what release {max(present)} of {target} is: nothing has changed")
    chosen = {family: _own_pipelines(part) for family, part in parts.items() if family not in unchanged}
    for family, manifest in newest.items():
        if family not in chosen:
            kept = {name: manifest.version_of(name) for name in _names(target, manifest)}
            chosen[family] = _own_pipelines(Part(target, manifest, kept))
    version = 1 + max(max(versions(target, row.name), default=0) for row in MODELS)
    return Release(version, chosen)


def add(release: Release, source: Path, target: Path) -> None:
    """Write the release's folders; if that fails, none of them is left.

    All are written as drafts, which then get their names, the pipelines last.
    """
    drafts = {name: draft_of(target / name, release.version) for name in release.models}
    named: list[Path] = []
    try:
        for name, draft in drafts.items():
            _write(release, name, target, draft)
        for name, draft in drafts.items():
            place = target / name / str(release.version)
            draft.replace(place)
            named.append(place)
    except BaseException:
        undo([*reversed(named), *drafts.values()])
        raise


def _write(release: Release, name: str, target: Path, draft: Path) -> None:
    """Write a model's folder of a release."""
    draft.mkdir(parents=True)
    parts = {family: part for family, part in release.parts.items() if name in part.models}
    for family, part in parts.items():
        for path in content(_folder(part.source, part.manifest, name), family):
            shutil.copy2(path, draft / path.name)
    if stage(name).needs_manifest:
        shutil.copy2(target / name / str(max(versions(target, name))) / CODE, draft / CODE)
        written = {family: _entry(release, part, name) for family, part in parts.items()}
        (draft / FILE).write_text(manifest_text(written), encoding="utf-8")


def withdraw(version: int, repository: Path) -> dict[str, list[int]]:
    """Remove a release's folders that no other release needs; return the removed versions by model.

    Its own manifests are not read, so a damaged release can be withdrawn. Nothing is removed if one of the
    folders cannot be.
    """
    present, left = pipeline_versions(repository), releases(repository, without=version)
    if version not in present:
        held = ", ".join(map(str, sorted(present))) or "none"
        raise ReleaseFailed(f"{repository} has no release {version}, only {held}")
    if not left:
        raise ReleaseFailed(f"release {version} is the only one of {repository}")
    gone: dict[str, list[int]] = {}
    for row in reversed(MODELS):  # a model is removed before the models that it calls
        needed = {each for families in left.values() for each in called(families, row.name)}
        if 1 in present - {version}:
            needed.add(1)  # of an export, which may be under way
        for unneeded in sorted(set(versions(repository, row.name)) - needed):
            is_its_own = 1 < unneeded == version
            if is_its_own or (repository / row.name / str(unneeded) / proof(row)).exists():  # not code alone
                gone.setdefault(row.name, []).append(unneeded)
    folders = [repository / name / str(one) for name, several in gone.items() for one in several]
    check_removable(folders)
    for folder in folders:
        remove(folder)
    return gone


def _names(repository: Path, manifest: Manifest) -> list[str]:
    """Return the models of a manifest's family, without optional ones that the repository lacks."""
    rows = stages_of(manifest.family)
    return [row.name for row in rows if row.needed or _folder(repository, manifest, row.name).is_dir()]


def _folder(repository: Path, manifest: Manifest, name: str) -> Path:
    return repository / name / str(manifest.version_of(name))


def _part(source: Path, manifest: Manifest, target: Path, served: Manifest | None) -> Part:
    """Return a family's part with all stages shared that are equal in the served release."""
    if served is None:
        return Part(source, manifest, {})
    shared = {
        name: served.version_of(name)
        for name in _names(source, manifest)
        if same(source / name / "1", _folder(target, served, name), manifest.family)
    }
    return Part(source, manifest, shared)


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


def _entry(release: Release, part: Part, name: str) -> dict[str, Any]:
    """Return a family's entry in the manifest of a model, with the versions that this release calls."""
    family = part.manifest.family
    given = entries(_folder(part.source, part.manifest, name))[family]
    files = {}
    for path, digest in given["files"].items():
        model, _, rest = path.split("/", 2)
        files[f"{model}/{part.shared.get(model, release.version)}/{rest}"] = digest
    return given | {"files": files, "stages": dict(part.shared)}
