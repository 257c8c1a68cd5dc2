"""The export of FASHN VTON: its recipes, and the facts of its manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitrine_orchestrator.stages.fashn import FAMILY

from vitrine_export.checkpoint.fashn import FashnCheckpoint, is_fashn, open_fashn
from vitrine_export.exporting.families.table import FamilyExport
from vitrine_export.exporting.recipes import Recipe, adopted

SHIFT = 1.5  # of the sampler's times (the released code's, not in the weights)
UNGUIDED_STEPS = 1  # the last steps are not guided, against saturation

RECIPES = (
    adopted("yolox", "file"),
    adopted("dwpose", "file"),
    adopted("garment_parser", "file", present="has_file"),
    Recipe(
        "denoise",
        make="stage_files:traced",
        files=("fashn_fixed_tokens.onnx", "fashn_modulations.onnx", "fashn_step.onnx"),
        networks="fashn:stage_networks",
        needs=("model",),
        engine_rows=8,
    ),
)
"""Recipes in the order of work."""


def facts(checkpoint: FashnCheckpoint, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of FashnFacts, which the family's models read."""
    settings = checkpoint.settings
    return {
        "width": settings.width,
        "height": settings.height,
        "default_steps": settings.default_steps,
        "default_guidance": settings.default_guidance,
        "prediction_type": settings.prediction_type,
        "shift": SHIFT,
        "unguided_steps": UNGUIDED_STEPS,
    }


EXPORT = FamilyExport(FAMILY, recognises=is_fashn, open=open_fashn, facts=facts, recipes=RECIPES)
