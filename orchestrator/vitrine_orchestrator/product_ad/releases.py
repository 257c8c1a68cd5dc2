"""Which releases of other models a model repository holds, as one digest: kept results are found by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from vitrine.errors import Unavailable

from vitrine_orchestrator.manifest import FILE, read_manifests, versions

MODELS = ("cut_out", "text_to_image", "image_to_image")
"""The models with a checkpoint whose answers are in an ad."""
FORM = "product ad 1"
"""Another number for code of the composition, of texts or of prompts that makes other pictures."""


def releases_in(repository: Path | None) -> dict[str, dict[str, str]]:
    """The pipeline digests of each model's newest version, by family; empty without a repository."""
    if repository is None:
        return {}
    return {name: found for name in MODELS if (found := _newest(repository, name))}


def digest_of(releases: dict[str, dict[str, str]], loras: Sequence[str] = ()) -> str:
    """One digest of them and of adapters' digests: it changes whenever the same request would give another
    picture."""
    counted = [FORM, releases, *([list(loras)] if loras else [])]
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()


def _newest(repository: Path, name: str) -> dict[str, str]:
    """The digests of the highest version with a readable manifest."""
    for version in reversed(versions(repository, name)):
        folder = repository / name / str(version)
        if not (folder / FILE).exists():
            continue
        try:
            return {family: one.pipeline_digest for family, one in read_manifests(folder).items()}
        except (Unavailable, ValueError):
            continue  # the model itself says what is wrong with it
    return {}
