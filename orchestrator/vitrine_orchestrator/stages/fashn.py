"""FASHN VTON's rows of the stage table: its networks, and what it adds to the shared models."""

from __future__ import annotations

from vitrine_orchestrator.stages.table import Stage, Tensor, of_family

FAMILY = "fashn"

# Pictures on the canvas, RGB or grey: uint8 is a quarter of what the network takes.
PERSON_CONDITIONING = (
    Tensor("person_picture", "UINT8", (-1, -1, 3)),
    Tensor("person_pose_picture", "UINT8", (-1, -1)),
)
GARMENT_CONDITIONING = (
    Tensor("garment_picture", "UINT8", (-1, -1, 3)),
    Tensor("garment_pose_picture", "UINT8", (-1, -1)),
)
DENOISE_INPUTS = (*PERSON_CONDITIONING, *GARMENT_CONDITIONING, Tensor("category", "STRING", (1,)))

ROWS: tuple[Stage, ...] = of_family(FAMILY)
