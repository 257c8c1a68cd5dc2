"""The stage table: one row for each model of the repository, joined here from the families' rows.

Triton's configs, TensorRT's shape ranges, warm-up, the exporter's samples and axis names, docs and tests are
derived from these rows (`configs.py` writes the configs).
"""

from __future__ import annotations

from vitrine_orchestrator.stages import shared, try_on
from vitrine_orchestrator.stages.table import (
    Dim,
    Network,
    Queue,
    Service,
    Size,
    Stage,
    Tensor,
    numpy_dtype,
    optional,
)

__all__ = [
    "NETWORK_FILE",
    "SIZES",
    "STAGES",
    "Dim",
    "Network",
    "Queue",
    "Service",
    "Size",
    "Stage",
    "Tensor",
    "networks",
    "numpy_dtype",
    "optional",
    "stage",
]

NETWORK_FILE = "model.onnx"  # the file in a version folder of a network stage

STAGES: tuple[Stage, ...] = (*try_on.ROWS, *shared.ROWS)
"""In loading order: a stage that calls other stages comes after them."""

SIZES: dict[str, Size] = {**try_on.SIZES}
"""The sizes that vary, by their names in the rows' tensors."""


def stage(name: str) -> Stage:
    """The row of that name; KeyError when there is none."""
    return _BY_NAME[name]


def networks() -> tuple[Stage, ...]:
    """The stages that are exported graphs."""
    return tuple(row for row in STAGES if isinstance(row.runs, Network))


_BY_NAME = {row.name: row for row in STAGES}
