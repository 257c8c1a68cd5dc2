"""The export of CLIP: its recipes, and the facts of its manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitrine_orchestrator.clip.facts import TOKENIZER
from vitrine_orchestrator.stages.clip import FAMILY

from vitrine_export.checkpoint.clip import ClipCheckpoint, is_clip, open_clip
from vitrine_export.checkpoint.config_values import PROJECTION_DIM, whole
from vitrine_export.exporting.families.table import FamilyExport
from vitrine_export.exporting.recipes import Recipe, traced

RECIPES = (
    Recipe("score", make="clip:write_tokenizer", files=(TOKENIZER,)),
    traced("clip_image", "clip:image", "vision"),
    traced("clip_text", "clip:text", "text"),
)
"""Recipes in the order of work."""


def facts(checkpoint: ClipCheckpoint, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ClipFacts, which the pipeline reads."""
    return {
        "model": checkpoint.model,
        "width": whole(checkpoint.folder.resolve().name, checkpoint.config, "projection_dim", PROJECTION_DIM),
        "pad_id": int(tokens.get("pad_id", 0)),
    }


EXPORT = FamilyExport(FAMILY, recognises=is_clip, open=open_clip, facts=facts, recipes=RECIPES)
