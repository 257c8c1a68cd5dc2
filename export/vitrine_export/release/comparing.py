"""The files of a model's version folder: whether they are complete, and equal to those of another one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vitrine_orchestrator.manifest import FILE, Manifest, read_entries
from vitrine_orchestrator.stages import NETWORK_FILE, Stage, stages_of

from vitrine_export.checkpoint.digest import file_digest
from vitrine_export.errors import ReleaseFailed

CODE = "model.py"
FACTS = ("facts", "tokens")
"""Fields of a manifest's entry that models read; the others describe the export."""


def proof(row: Stage) -> str:
    """Return the file that every complete version has."""
    return FILE if row.needs_manifest else NETWORK_FILE


def entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of a folder's manifest by family; none where it has no manifest."""
    return read_entries(folder) if (folder / FILE).exists() else {}


def content(folder: Path, family: str) -> Iterable[Path]:
    """Return a family's files in a version folder: those that no other family's manifest names.

    A file made beside a graph, such as an engine, has the first word of the graph's name. Hidden files are
    drafts of nobody's.
    """
    place = f"{folder.parent.name}/{folder.name}/"
    owners = {
        path.removeprefix(place).partition(".")[0]: owner
        for owner, entry in entries(folder).items()
        for path in entry["files"]
        if path.startswith(place)
    }
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in (CODE, FILE))
    return [
        path
        for path in files
        if not path.name.startswith(".") and owners.get(path.name.partition(".")[0], family) == family
    ]


def same(new: Path, old: Path, family: str) -> bool:
    """Whether two version folders of a model have equal files and equal facts of a family."""
    if not old.is_dir():
        return False
    files = [{path.name: path for path in content(folder, family)} for folder in (new, old)]
    facts = [
        {key: value for key, value in entries(folder).get(family, {}).items() if key in FACTS}
        for folder in (new, old)
    ]
    return (
        facts[0] == facts[1]
        and files[0].keys() == files[1].keys()
        and all(file_digest(path) == file_digest(files[1][name]) for name, path in files[0].items())
    )


def check_complete(source: Path, manifest: Manifest) -> None:
    """Raise ReleaseFailed for a stage or a file that is missing, or differs from the manifest's digest."""
    rows = stages_of(manifest.family)
    if not rows:
        raise ReleaseFailed(f"{source} holds the family {manifest.family}, which no stage serves")
    missing = [row.name for row in rows if row.needed and not (source / row.name / "1" / proof(row)).exists()]
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
