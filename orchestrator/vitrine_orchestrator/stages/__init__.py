"""The stage table: one row for each model of the repository, joined here from the families' rows.

Triton's configs, TensorRT's shape ranges, warm-up, the exporter's samples and axis names, docs and tests are
derived from these rows (`configs.py` writes the configs).
"""

from __future__ import annotations

from vitrine_orchestrator.stages import (
    ad_prompts,
    advertising,
    clip,
    cut_out,
    denoise,
    fashn,
    flux,
    idm_vton,
    pictures,
    shared,
    text,
    try_on,
    workflows,
    z_image,
)
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
    "sizes",
    "stage",
    "stages_of",
]

NETWORK_FILE = "model.onnx"  # the file in a version folder of a network stage

STAGES: tuple[Stage, ...] = (
    *idm_vton.ROWS,
    *fashn.ROWS,
    *z_image.ROWS,
    *flux.ROWS,
    denoise.ROW,
    *try_on.ROWS,
    *pictures.ROWS,
    *clip.ROWS,
    *cut_out.ROWS,
    *ad_prompts.ROWS,
    *text.ROWS,
    *advertising.ROWS,
    *shared.ROWS,
    *workflows.ROWS,
)
"""In loading order: a stage that calls other stages comes after them."""


def stage(name: str) -> Stage:
    """The row of that name; KeyError when there is none."""
    return _BY_NAME[name]


def networks() -> tuple[Stage, ...]:
    """The stages that are exported graphs."""
    return tuple(row for row in STAGES if isinstance(row.runs, Network))


def stages_of(family: str) -> tuple[Stage, ...]:
    """The stages that serve checkpoints of a family, in loading order."""
    return tuple(row for row in STAGES if family in row.families)


def sizes(family: str) -> dict[str, Size]:
    """The varying sizes of a family's stages, by name."""
    tensors = (tensor for row in stages_of(family) for tensor in (*row.inputs, *row.outputs))
    return {dim.name: dim for tensor in tensors for dim in tensor.dims if isinstance(dim, Size)}


_BY_NAME = {row.name: row for row in STAGES}
