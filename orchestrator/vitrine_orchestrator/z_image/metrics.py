"""The metrics of Z-Image's program; each figure reads a ZImageProgram."""

from __future__ import annotations

from vitrine_orchestrator.batching.metrics import Figure

FIGURES = (
    Figure(
        "vitrine_picture_rows_total",
        "COUNTER",
        "Rows computed by Z-Image's transformer: one a step of a job, two with guidance",
        lambda program: {"": program.rows},
    ),
    Figure(
        "vitrine_lora_fills_total",
        "COUNTER",
        "Adapters put into a slot of the graph",
        lambda program: {"": program.slots.changes},
    ),
)
