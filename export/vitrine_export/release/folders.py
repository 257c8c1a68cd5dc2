"""The versions of a model repository as folders: those a release adds or shares, and those no longer needed.

A release is a version of `try_on`. Its manifest names the version of every other stage that it calls. A stage
with equal files in two releases is neither copied nor loaded twice.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitrine_orchestrator.manifest import FILE, Manifest, read_manifest, read_manifest_json, versions
from vitrine_orchestrator.stages import NETWORK_FILE, STAGES, Stage, stage

from vitrine_export.checkpoint.digest import file_digest
from vitrine_export.errors import ReleaseFailed

MODELS = tuple(row for row in STAGES if row.of_checkpoint)
"""Models in loading order: a model comes after the models that it calls."""

PIPELINE = "try_on"
CODE = "model.py"
EXPORT_FIELDS = ("digest", "exporter", "files", "precision", "stages")
"""Fields of a manifest that describe the export; models read the other fields."""


@dataclass(frozen=True)
class Release:
    """A version of the pipelines: the models with a folder of it, and those shared with another release."""

    version: int
    models: tuple[str, ...]  # in loading order
    shared: dict[str, int] = field(default_factory=dict)


def releases(repository: Path) -> dict[int, Manifest]:
    """Return the releases in a repository, by version."""
    return {
        version: read_manifest(repository / PIPELINE / str(version))
        for version in versions(repository, PIPELINE)
    }


def planned(source: Path, target: Path) -> Release:
    """Return the release that the exported repository `source` becomes in `target`; or ReleaseFailed."""
    present = releases(target)
    if not present:
        raise ReleaseFailed(f"{target} holds no release: run make export")
    newest = present[max(present)]
    missing = [row.name for row in MODELS if not (source / row.name / "1" / _proof(row)).exists()]
    if missing:
        raise ReleaseFailed(f"{source} lacks {', '.join(missing)}: export every stage of a release")
    _check_files(source)
    models = [row.name for row in MODELS]
    same = {
        name: newest.version_of(name)
        for name in models
        if _same(source / name / "1", target / name / str(newest.version_of(name)))
    }
    if len(same) == len(models):
        raise ReleaseFailed(f"{source} is what release {newest.version} of {target} is: nothing has changed")
    shared = {name: version for name, version in same.items() if _can_be_shared(name)}
    version = 1 + max(max(versions(target, name), default=0) for name in models)
    return Release(version, tuple(name for name in models if name not in shared), shared)


def add(release: Release, source: Path, target: Path) -> None:
    """Write the release's folders, each with one rename, the pipelines last."""
    for name in release.models:
        made = target / name / f".{release.version}.draft"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        for path in _content(source / name / "1"):
            shutil.copy2(path, made / path.name)
        if (made / FILE).exists():
            shutil.copy2(target / name / str(max(versions(target, name))) / CODE, made / CODE)
            (made / FILE).write_text(json.dumps(_manifest(release, made), indent=2, sort_keys=True) + "\n")
        made.replace(target / name / str(release.version))


def withdraw(version: int, repository: Path) -> dict[str, list[int]]:
    """Remove a release's folders that no other release needs; return the removed versions by model."""
    left = releases(repository)
    if version not in left:
        raise ReleaseFailed(f"{repository} has no release {version}, only {', '.join(map(str, left))}")
    del left[version]
    if not left:
        raise ReleaseFailed(f"release {version} is the only one of {repository}")
    removed: dict[str, list[int]] = {}
    for row in reversed(MODELS):  # a model is removed before the models that it calls
        needed = {manifest.version_of(row.name) for manifest in left.values()}
        for unneeded in set(versions(repository, row.name)) - needed:
            shutil.rmtree(repository / row.name / str(unneeded))
            removed.setdefault(row.name, []).append(unneeded)
    return removed


def _check_files(source: Path) -> None:
    """Raise ReleaseFailed for a file of an export that is missing or differs from the manifest's digest."""
    for name, digest in read_manifest(source / PIPELINE / "1").files.items():
        path = source / name
        if not path.is_file():
            raise ReleaseFailed(f"{source} lacks {name}, which its manifest names: export it again")
        if (found := file_digest(path)) != digest:
            raise ReleaseFailed(
                f"{path} is not the file that was exported: its SHA-256 is {found[:12]}…, "
                f"the manifest says {digest[:12]}…; export it again"
            )


def _proof(row: Stage) -> str:
    """Return the file that every complete version has."""
    return FILE if row.needs_manifest else NETWORK_FILE


def _content(folder: Path) -> Iterator[Path]:
    """Yield an export's own files in a version folder."""
    return (path for path in sorted(folder.iterdir()) if path.is_file() and path.name != CODE)


def _can_be_shared(name: str) -> bool:
    """Whether releases can share a model: a network or the denoiser. Caches are keyed by other models."""
    return name == "denoise" or stage(name).backend == "onnxruntime"


def _same(new: Path, old: Path) -> bool:
    """Whether two version folders of a model have equal files and equal manifests."""
    if not old.is_dir():
        return False
    files = [{path.name: path for path in _content(folder) if path.name != FILE} for folder in (new, old)]
    return (
        files[0].keys() == files[1].keys()
        and all(file_digest(path) == file_digest(files[1][name]) for name, path in files[0].items())
        and (not (new / FILE).exists() or _facts(new) == _facts(old))
    )


def _facts(folder: Path) -> dict[str, Any]:
    return {key: value for key, value in read_manifest_json(folder).items() if key not in EXPORT_FIELDS}


def _manifest(release: Release, folder: Path) -> dict[str, Any]:
    """Return the exported manifest with the versions that this release calls."""
    given = read_manifest_json(folder)
    files = {}
    for path, digest in given["files"].items():
        model, _, name = path.split("/", 2)
        files[f"{model}/{release.shared.get(model, release.version)}/{name}"] = digest
    return given | {"files": files, "stages": release.shared}
