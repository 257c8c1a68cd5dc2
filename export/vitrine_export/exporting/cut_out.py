"""Adopts the file of a cut-out network: its first input and output, at the side of its row."""

from __future__ import annotations

from dataclasses import replace

from vitrine_orchestrator.stages import Stage
from vitrine_orchestrator.stages import stage as stage_row

from vitrine_export.checkpoint.cut_out import CutOutCheckpoint
from vitrine_export.exporting.adopted_onnx import adopt
from vitrine_export.exporting.order import Order
from vitrine_export.exporting.recipes import Recipe
from vitrine_export.exporting.stage_files import Done


def adopted(order: Order, recipe: Recipe, files: tuple[str, ...]) -> list[Done]:
    """Write the stage's file from the checkpoint's. Raises BadCheckpoint and ExportFailed."""
    checkpoint = order.checkpoint
    assert isinstance(checkpoint, CutOutCheckpoint)
    row = with_side(stage_row(recipe.stage), checkpoint.network.side)
    taken = adopt(row, checkpoint.file(recipe.stage), order.repository)
    note = " · one picture at a time, looped" if taken.looped else ""
    return [Done(files[0], taken.proof, checkpoint.path.name, note)]


def with_side(row: Stage, side: int) -> Stage:
    """Return the stage's row for pictures of `side` × `side` pixels."""

    def fixed(dims: tuple) -> tuple[int, ...]:
        return tuple(side if dim == -1 else dim for dim in dims)

    return replace(
        row,
        inputs=tuple(replace(tensor, dims=fixed(tensor.dims)) for tensor in row.inputs),
        outputs=tuple(replace(tensor, dims=fixed(tensor.dims)) for tensor in row.outputs),
    )
