"""Opens Z-Image's program from a version folder of `denoise`."""

from __future__ import annotations

from pathlib import Path

from vitrine_orchestrator.drawing.open_program import open_pictures
from vitrine_orchestrator.drawing.program import PictureProgram
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.z_image.facts import TRANSFORMER, read_facts
from vitrine_orchestrator.z_image.form import ZImageForm


def open_program(
    folder: Path, manifest: Manifest, settings: Settings, provider: str = "cpu", device_id: int = 0
) -> PictureProgram:
    """The program of a version folder; see open_pictures."""
    form = ZImageForm(read_facts(manifest))
    return open_pictures(folder / TRANSFORMER, form, manifest, settings, provider, device_id)
