"""Exports the files of one stage and compares each with torch. Worker processes call it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitrine_orchestrator.stages import stage as stage_row

from vitrine_export.checkpoint.protocol import AnyCheckpoint
from vitrine_export.device import DTYPES
from vitrine_export.exporting.adopted_onnx import Adopted, adopt, check_file
from vitrine_export.exporting.adopted_torchscript import adopt_script, check_script
from vitrine_export.exporting.onnx_file import Proof, write
from vitrine_export.exporting.order import Order
from vitrine_export.exporting.recipes import Recipe, function


@dataclass(frozen=True)
class Done:
    """One written file: its path in the repository, its difference from its source, and a note for people."""

    file: str
    proof: Proof | None = None  # None for a file that computes nothing
    judge: str = "torch"
    note: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)
    """Special ids of the tokenizers, for the manifest."""

    def __str__(self) -> str:
        proof = self.proof
        if proof is None:
            return f"{self.file:34} {self.note}"
        return (
            f"{self.file:34} {proof.worst:.1e} from {self.judge}, allowed {proof.allowed:.0e} · "
            f"{proof.size_bytes / 2**20:7.1f} MiB · {proof.seconds:5.1f} s{self.note}"
        )


def export_files(order: Order, stage: str, files: tuple[str, ...]) -> list[Done]:
    """Write these files of a stage by its recipe. Raises BadCheckpoint or ExportFailed, at the first."""
    row = order.recipe(stage)
    return function(row.make)(order, row, files)


def traced(order: Order, recipe: Recipe, files: tuple[str, ...]) -> list[Done]:
    """Export the networks of a stage through torch, and compare each with torch."""
    dtype = DTYPES[order.precision_of(recipe.stage)]
    networks = function(recipe.networks)(stage_row(recipe.stage), order.checkpoint, dtype)
    return [
        Done(network.file, write(recipe.stage, network, order.repository))
        for network in networks
        if network.file in files
    ]


def adopted(order: Order, recipe: Recipe, files: tuple[str, ...]) -> list[Done]:
    """Adopt the stage's file of the checkpoint after a check of its inputs and outputs."""
    source, row = source_of(order.checkpoint, recipe), stage_row(recipe.stage)
    taken: Adopted = (adopt if source.suffix == ".onnx" else adopt_script)(row, source, order.repository)
    note = " · one picture at a time, looped" if taken.looped else ""
    return [Done(files[0], taken.proof, source.name, note)]


def source_of(checkpoint: AnyCheckpoint, recipe: Recipe) -> Path:
    """Return the checkpoint's file of an adopted stage. Raises BadCheckpoint if there is none."""
    return getattr(checkpoint, recipe.source)(recipe.stage)


def check_source(checkpoint: AnyCheckpoint, recipe: Recipe) -> None:
    """Raise BadCheckpoint for an adopted stage's file that cannot be adopted; reads no weights."""
    source = source_of(checkpoint, recipe)
    if source.suffix == ".onnx":
        check_file(recipe.stage, source)
    else:
        check_script(source)
