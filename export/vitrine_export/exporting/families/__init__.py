"""The families of checkpoints that can be exported: one row each, joined from the files of this folder."""

from __future__ import annotations

from pathlib import Path

from vitrine_export.checkpoint.place import ensure_folder
from vitrine_export.checkpoint.protocol import AnyCheckpoint
from vitrine_export.exporting.families import clip, cut_out, fashn, flux, idm_vton, z_image
from vitrine_export.exporting.families.table import FamilyExport
from vitrine_export.exporting.recipes import Recipe

__all__ = ["FAMILIES", "STAGE_NAMES", "FamilyExport", "export_of", "open_any", "recipe"]

FAMILIES: tuple[FamilyExport, ...] = (
    cut_out.EXPORT,
    fashn.EXPORT,
    z_image.EXPORT,
    flux.EXPORT,
    clip.EXPORT,
    idm_vton.EXPORT,
)
"""The first that recognises a path opens it; the last takes any folder and says what it lacks."""

STAGE_NAMES = tuple(dict.fromkeys(row.stage for family in FAMILIES for row in family.recipes))
"""The stages of all families, each once."""

_BY_NAME = {family.name: family for family in FAMILIES}


def export_of(family: str) -> FamilyExport:
    """Return the row of a family; KeyError if there is none."""
    return _BY_NAME[family]


def recipe(family: str, stage: str) -> Recipe:
    """Return a family's recipe of a stage; KeyError if there is none."""
    return {row.stage: row for row in export_of(family).recipes}[stage]


def open_any(folder: Path, unet: Path | None = None) -> AnyCheckpoint:
    """Open the checkpoint in `folder` as one of the family that recognises it.

    `unet` replaces the folder of one network, for families that have such checkpoints. Raises BadCheckpoint.
    """
    if not cut_out.EXPORT.recognises(folder):
        ensure_folder(folder)
    family = next(family for family in FAMILIES if family.recognises(folder))
    return family.open(folder, unet)
