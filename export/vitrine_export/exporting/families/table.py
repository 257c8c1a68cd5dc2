"""The type of a family's row: how its checkpoints are recognised, opened and exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine_export.checkpoint.protocol import AnyCheckpoint
from vitrine_export.exporting.recipes import Recipe

Facts = Callable[[Any, Mapping[str, Any]], dict[str, Any]]
"""The `facts` of the manifest, from the checkpoint and the special ids of its tokenizers."""


@dataclass(frozen=True)
class FamilyExport:
    """One family."""

    name: str  # the family's name in manifests
    recognises: Callable[[Path], bool]  # whether a folder holds a checkpoint of the family
    open: Callable[[Path, Path | None], AnyCheckpoint]
    facts: Facts
    recipes: tuple[Recipe, ...]  # in the order of work

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that the exporter writes, in the order of work."""
        return tuple(row.stage for row in self.recipes)
