"""What a model's version folder says of the checkpoint it was exported from: `manifest.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitrine.errors import Unavailable

FILE = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """Sizes, prompts and origin of one exported checkpoint. Every model of it carries the same one."""

    digest: str  # SHA-256 of the checkpoint
    width: int  # of the pictures, in pixels
    height: int
    factor: int  # picture pixels of one latent pixel
    context_width: int
    pooled_width: int
    image_tokens: int
    image_size: int  # side of the image encoder's input, in pixels
    default_steps: int
    default_guidance: float
    person_prompt: str  # "{}" is the description, in this and the next
    garment_prompt: str
    negative_prompt: str
    pad_ids: tuple[int, int]  # of text_encoder and text_encoder_2
    scheduler: Mapping[str, Any]  # scheduler_config.json
    exporter: str  # its version
    files: Mapping[str, str]  # SHA-256 of each exported file
    version: int = 1  # the folder that the manifest lies in
    stages: Mapping[str, int] = field(default_factory=dict)  # versions of stages where they differ from it

    def version_of(self, stage: str) -> int:
        """Which version of another model this one calls, whatever else is loaded."""
        return self.stages.get(stage, self.version)

    @property
    def pipeline_digest(self) -> str:
        """Changes with the checkpoint, the exporter and every exported file: part of a result's cache key."""
        said = json.dumps([self.digest, self.exporter, sorted(self.files.items())])
        return hashlib.sha256(said.encode()).hexdigest()


def versions(repository: Path, model: str) -> list[int]:
    """The versions of a model in a repository, in order."""
    return sorted(int(path.name) for path in (repository / model).glob("*/") if path.name.isdigit())


def read_manifest_json(folder: Path) -> dict[str, Any]:
    """The manifest in a version folder as written; Unavailable when it is missing or another format's."""
    path = folder / FILE
    try:
        given = json.loads(path.read_text())
    except FileNotFoundError:
        raise Unavailable(f"{path} is missing: run make export") from None
    if given.get("format") != FORMAT:
        raise Unavailable(f"{path} must have format {FORMAT}, got {given.get('format')!r}: run make export")
    return given


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a version folder; Unavailable when it is missing or another format's."""
    given = read_manifest_json(folder)
    return Manifest(
        digest=given["digest"],
        width=given["picture"]["width"],
        height=given["picture"]["height"],
        factor=given["latent"]["factor"],
        context_width=given["context_width"],
        pooled_width=given["pooled_width"],
        image_tokens=given["image_tokens"],
        image_size=given["image_size"],
        default_steps=given["default_steps"],
        default_guidance=given["default_guidance"],
        person_prompt=given["prompt"]["person"],
        garment_prompt=given["prompt"]["garment"],
        negative_prompt=given["prompt"]["negative"],
        pad_ids=tuple(given["pad_ids"]),
        scheduler=given["scheduler"],
        exporter=str(given["exporter"]),
        files=given["files"],
        version=int(folder.name) if folder.name.isdigit() else 1,
        stages=given.get("stages", {}),
    )
