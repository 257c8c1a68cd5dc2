"""The models of a repository that a server loads, and the check that they are complete."""

from __future__ import annotations

import sys
from pathlib import Path

from vitrine.errors import Unavailable

from vitrine_orchestrator.manifest import FILE, read_manifests, read_releases, version_folders
from vitrine_orchestrator.stages import NETWORK_FILE, STAGES, Stage

_ROWS = {row.name: row for row in STAGES}


def model_names(repository: Path) -> list[str]:
    """The models to load, in alphabetical order; Unavailable if there is none.

    Models are left out that serve only families of which the repository holds no checkpoint, or are of use
    beside such families alone, and those that no release must hold and none holds.
    """
    if not repository.is_dir():
        raise Unavailable(f"there is no model repository {repository}")
    names = sorted(path.parent.name for path in repository.glob("*/config.pbtxt"))
    if not names:
        raise Unavailable(f"{repository} holds no model: no folder in it has a config.pbtxt")
    served = families(repository)
    names = [name for name in names if not served or _serves(name, served)]
    return [name for name in names if _is_needed(name) or _has_file(repository / name)]


def families(repository: Path) -> set[str]:
    """The families whose checkpoints the repository holds, by its manifests."""
    found: set[str] = set()
    for path in repository.glob(f"*/*/{FILE}"):
        try:
            found |= read_releases(path.parent).keys()
        except Unavailable:
            continue  # the model itself says what is wrong with it
    return found


def _serves(name: str, served: set[str]) -> bool:
    """Whether a model is needed for these families; a model that is not Vitrine's always is."""
    row = _ROWS.get(name)
    asked = row and (row.families or row.beside)
    return not asked or bool(served & set(asked))


def _is_needed(name: str) -> bool:
    return name not in _ROWS or _ROWS[name].needed


def _has_file(model: Path) -> bool:
    """Whether a version of a model can be loaded."""
    return any(model.glob(f"*/{_needed(_ROWS[model.name])}"))


def check_files(repository: Path, names: list[str]) -> None:
    """Unavailable for a missing network's file, or a missing or damaged manifest; with the remedy."""
    missing = [f"{name}/{path}" for name in names for path in _missing(repository / name, name)]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise Unavailable(f"model files are missing in {repository}: {shown}; run make export")
    for name in names:
        if name in _ROWS and _ROWS[name].needs_manifest:
            for folder in version_folders(repository / name):
                read_manifests(folder)


def _missing(model: Path, name: str) -> list[str]:
    if name not in _ROWS:
        return []  # not one of Vitrine's models: Triton checks it
    versions = version_folders(model)
    if not versions:
        return ["1"]
    needed = _needed(_ROWS[name])
    return [f"{path.name}/{needed}" for path in versions if not (path / needed).exists()]


def _needed(row: Stage) -> str:
    """The file without which a version of this model cannot be loaded."""
    if row.needs_manifest:
        return FILE
    return "model.py" if row.backend == "python" else NETWORK_FILE


def main() -> int:
    """Print the models of the repository named on the command line; docker/serve.sh calls this."""
    try:
        print("\n".join(model_names(Path(sys.argv[1]))))
    except Unavailable as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
