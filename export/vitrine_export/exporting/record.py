"""manifest.json: describes an export, so that a later export can detect that nothing has changed.

Every Python model has the same manifest in its folder; `vitrine_orchestrator.manifest` reads it. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitrine_orchestrator.manifest import FILE, FORMAT
from vitrine_orchestrator.stages import STAGES
from vitrine_orchestrator.try_on.facts import FAMILY

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.checkpoint.digest import file_digest

PROMPTS = {
    "person_prompt": "model is wearing {}",
    "garment_prompt": "a photo of {}",
    "negative_prompt": "monochrome, lowres, bad anatomy, worst quality, low quality",
}
"""The prompts of the released demo; {} is the caller's description."""

RELEASED_IMAGE_TOKENS = 16


@dataclass
class Record:
    """The contents of a repository: checkpoint and exporter, and each stage's precision and files."""

    digest: str
    exporter: str
    precision: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # path in the repository → sha256
    tokens: dict[str, Any] = field(default_factory=dict)  # special ids of the tokenizers

    def holds(self, stage: str, precision: str, expected: Iterable[str], repository: Path) -> bool:
        """Return whether the stage's files exist unchanged, with that precision."""
        names = {*self.files_of(stage), *expected}
        return self.precision.get(stage) == precision and all(
            name in self.files
            and (repository / name).is_file()
            and file_digest(repository / name) == self.files[name]
            for name in names
        )

    def files_of(self, stage: str) -> list[str]:
        """Return the recorded paths of a stage."""
        return [name for name in self.files if name.startswith(f"{stage}/")]

    def forget(self, stage: str) -> None:
        """Remove the stage from the record."""
        self.precision.pop(stage, None)
        for name in self.files_of(stage):
            del self.files[name]

    def add(self, stage: str, precision: str, paths: Iterable[Path], repository: Path) -> None:
        """Record exactly these files for the stage."""
        self.forget(stage)
        self.precision[stage] = precision
        for path in paths:
            self.files[path.relative_to(repository).as_posix()] = file_digest(path)


def manifest_paths(repository: Path) -> list[Path]:
    """Return the manifest's paths: in version 1 of every model that is Python code."""
    return [repository / row.name / "1" / FILE for row in STAGES if row.backend == "python"]


def read_record(repository: Path, digest: str, exporter: str) -> Record:
    """Read the repository's record; it is empty for another checkpoint or exporter."""
    try:
        given = json.loads(manifest_paths(repository)[0].read_text())
        same = (given["format"], given["digest"], given["exporter"]) == (FORMAT, digest, exporter)
        if same and all(
            (repository / row.name / "1" / FILE).is_file() for row in STAGES if row.needs_manifest
        ):
            return Record(digest, exporter, given["precision"], given["files"], given["tokens"])
    except (OSError, ValueError, KeyError):
        pass  # without a readable manifest everything is exported again
    return Record(digest, exporter)


def write_manifest(repository: Path, checkpoint: Checkpoint, record: Record) -> None:
    """Write the manifest into the folder of every Python model, each with one rename."""
    text = json.dumps(manifest(checkpoint, record), indent=2, sort_keys=True) + "\n"
    for path in manifest_paths(repository):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{FILE}.draft")
        draft.write_text(text)
        draft.replace(path)


def manifest(checkpoint: Checkpoint, record: Record) -> dict[str, Any]:
    """Return the contents of the manifest."""
    return {
        "format": FORMAT,
        "family": FAMILY,
        "facts": facts(checkpoint, record),
        "digest": record.digest,
        "exporter": record.exporter,
        "tokens": record.tokens,
        "precision": dict(sorted(record.precision.items())),
        "files": dict(sorted(record.files.items())),
    }


def facts(checkpoint: Checkpoint, record: Record) -> dict[str, Any]:
    """Return the fields of TryOnFacts, which the try-on's models read."""
    settings, unet, vae = checkpoint.settings, checkpoint.config("unet"), checkpoint.config("vae")
    projection: Mapping[str, Any] = unet.get("image_projection") or {}
    return {
        "width": settings.width,
        "height": settings.height,
        "channels": vae["latent_channels"],
        "factor": 2 ** (len(vae["block_out_channels"]) - 1),
        "scheduler": checkpoint.scheduler,
        "context_width": unet["cross_attention_dim"],
        "pooled_width": checkpoint.config("text_encoder_2")["projection_dim"],
        "image_tokens": projection.get("num_queries", RELEASED_IMAGE_TOKENS),
        "image_size": checkpoint.config("image_encoder")["image_size"],
        "default_steps": settings.default_steps,
        "default_guidance": settings.default_guidance,
        **PROMPTS,
        "pad_ids": record.tokens.get("pad_ids", []),
    }
