"""Rows and tensors that belong to no family."""

from __future__ import annotations

from vitrine_orchestrator.stages.table import Service, Stage, Tensor, optional

REPORT = Tensor("report", "STRING", (1,))
ENCODING = Tensor("encoding", "STRING", (1,))
"""How pictures and tensors are encoded: as bytes, or as base64 for callers that use JSON."""
MODEL = Tensor("model", "STRING", (1,))
"""The family that serves the request, where a release holds several."""
SAMPLING = (
    Tensor("seed", "UINT64", (1,)),
    Tensor("steps", "INT32", (1,)),
    Tensor("guidance", "FP32", (1,)),
    Tensor("scheduler", "STRING", (1,)),
)

ROWS: tuple[Stage, ...] = (
    Stage(
        "cache_control",
        optional(
            Tensor("action", "STRING", (1,)),
            Tensor("person_id", "STRING", (1,)),
            Tensor("garment_id", "STRING", (1,)),
            Tensor("everything", "BOOL", (1,)),
        ),
        (Tensor("answer", "STRING", (1,)),),
        runs=Service(in_flight=16),
        on_gpu=False,
    ),
)
