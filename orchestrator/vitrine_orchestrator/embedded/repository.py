"""Checks that a model repository is complete before Triton loads it."""

from __future__ import annotations

from pathlib import Path

from vitrine.errors import Unavailable

from vitrine_orchestrator.stages import NETWORK_FILE, STAGES, Stage

_ROWS = {row.name: row for row in STAGES}


def model_names(repository: Path) -> list[str]:
    """The models of a repository, in alphabetical order; Unavailable if there is none."""
    if not repository.is_dir():
        raise Unavailable(f"there is no model repository {repository}")
    names = sorted(path.parent.name for path in repository.glob("*/config.pbtxt"))
    if not names:
        raise Unavailable(f"{repository} holds no model: no folder in it has a config.pbtxt")
    return names


def check_files(repository: Path, names: list[str]) -> None:
    """Unavailable if a network's file or a manifest is missing; the message names them and the remedy."""
    missing = [f"{name}/{path}" for name in names for path in _missing(repository / name, name)]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise Unavailable(f"model files are missing in {repository}: {shown}; run make export")


def _missing(model: Path, name: str) -> list[str]:
    if name not in _ROWS:
        return []  # not one of Vitrine's models: Triton checks it
    versions = [path for path in model.iterdir() if path.name.isdigit()]
    if not versions:
        return ["1"]
    needed = _needed(_ROWS[name])
    return [f"{path.name}/{needed}" for path in versions if not (path / needed).exists()]


def _needed(row: Stage) -> str:
    """The file without which a version of this model cannot be loaded."""
    if row.needs_manifest:
        return "manifest.json"
    return "model.py" if row.backend == "python" else NETWORK_FILE
