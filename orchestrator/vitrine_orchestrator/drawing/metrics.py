"""The metrics of the picture families' programs; each figure reads a PictureProgram."""

from __future__ import annotations

from vitrine_orchestrator.batching.metrics import Figure

FIGURES = (
    Figure(
        "vitrine_picture_rows_total",
        "COUNTER",
        "Rows computed by the transformers of pictures, by family: one a step of a job, two with a negative "
        "prompt",
        lambda program: {program.family: program.rows},
        "family",
    ),
    Figure(
        "vitrine_lora_fills_total",
        "COUNTER",
        "Adapters put into a slot of the graph, by family",
        lambda program: {program.family: program.slots.changes},
        "family",
    ),
)
