"""The row of `residency`, the model that owns the memory. Only servers with a memory budget have it."""

from __future__ import annotations

from vitrine.residence import OWNER

from vitrine_orchestrator.stages.table import Service, Stage, Tensor, optional

NAME = OWNER
ROW = Stage(
    NAME,
    optional(Tensor("action", "STRING", (1,))),  # "state"; Triton wants a model to have an input
    (Tensor("state", "STRING", (1,)),),  # JSON: the budget, and each model's place, bytes and last use
    runs=Service(in_flight=16),
    on_gpu=False,
)
