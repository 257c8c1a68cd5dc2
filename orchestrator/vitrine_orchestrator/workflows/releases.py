"""Which release a model's newest version is of: an answer is kept together with it."""

from __future__ import annotations

from pathlib import Path

from vitrine.errors import Unavailable

from vitrine_orchestrator.manifest import FILE, read_manifests, versions
from vitrine_orchestrator.stages import stage


def digests_of(repository: Path | None, model: str) -> tuple[str, ...]:
    """The pipeline digests of the model's newest version, one for each family.

    Empty where none can be read: then no answer is kept. A model that reads no release has its name.
    """
    if not stage(model).needs_manifest:
        return (model,)
    for version in reversed(versions(repository, model) if repository else []):
        folder = Path(repository or "", model, str(version))
        if not (folder / FILE).exists():
            continue
        try:
            found = read_manifests(folder)
        except (Unavailable, ValueError, KeyError, OSError):
            return ()
        return tuple(found[family].pipeline_digest for family in sorted(found))
    return ()
