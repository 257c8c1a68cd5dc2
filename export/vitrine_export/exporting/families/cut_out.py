"""The export of cut-out networks: their recipe, and the facts of their manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitrine_orchestrator.stages.cut_out import FAMILY, NETWORK

from vitrine_export.checkpoint.cut_out import CutOutCheckpoint, is_cut_out, open_cut_out
from vitrine_export.exporting.families.table import FamilyExport
from vitrine_export.exporting.recipes import Recipe

RECIPES = (Recipe(NETWORK, make="cut_out:adopted", source="file"),)
"""Recipes in the order of work."""


def facts(checkpoint: CutOutCheckpoint, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of CutOutFacts, which the pipeline reads."""
    network = checkpoint.network
    mean, std = network.colours
    return {
        "network": checkpoint.name,
        "side": network.side,
        "mean": mean,
        "std": std,
        "output": network.output,
    }


EXPORT = FamilyExport(FAMILY, recognises=is_cut_out, open=open_cut_out, facts=facts, recipes=RECIPES)
