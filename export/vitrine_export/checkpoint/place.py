"""Where a checkpoint is: refuses what is no folder of one, and finds optional files. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from vitrine_export.checkpoint.diagnosis import ensure_present
from vitrine_export.errors import BadCheckpoint


def ensure_folder(folder: Path) -> None:
    """Raise BadCheckpoint for a missing folder, a file in its place, and a hub's cache."""
    if folder.is_dir():
        _refuse_hub_cache(folder)
    elif folder.exists():
        raise BadCheckpoint(
            f"{folder} is a file, a checkpoint is a folder: fetch the repository's folders with their "
            "config.json files, not a single file of weights (as for ComfyUI or the web UI)"
        )
    else:
        raise BadCheckpoint(f"there is no folder {folder}")


def _refuse_hub_cache(folder: Path) -> None:
    """Raise BadCheckpoint for a hub's cache folder (models--OWNER--NAME); names the snapshot to use."""
    snapshots = {path.name: path for path in (folder / "snapshots").glob("*") if path.is_dir()}
    if not snapshots:
        return
    main = folder / "refs" / "main"
    chosen = snapshots.get(main.read_text(errors="replace").strip()) if main.is_file() else None
    which = "snapshot of main" if chosen else "newest snapshot"
    chosen = chosen or max(snapshots.values(), key=lambda path: path.stat().st_mtime)
    raise BadCheckpoint(f"{folder} is a hub's cache, not a checkpoint; its {which} is one: {chosen}")


def optional_file(folder: Path, name: str) -> Path | None:
    """Return a file that a checkpoint may omit, or None; BadCheckpoint for a link to a missing file."""
    path = folder / name
    if not path.is_symlink() and not path.exists():
        return None
    ensure_present(path, name)
    return path
