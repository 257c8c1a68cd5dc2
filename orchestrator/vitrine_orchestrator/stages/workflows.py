"""The rows of workflows, which call the other models by a graph."""

from __future__ import annotations

from vitrine_orchestrator.stages.pictures import ADVERTISING
from vitrine_orchestrator.stages.shared import ENCODING, REPORT
from vitrine_orchestrator.stages.table import Queue, Service, Stage, Tensor, optional

MAX_ACTIVE, MAX_QUEUED = 8, 32
"""Workflows running and waiting in each model; a running one holds pictures of several nodes."""

INPUTS = optional(
    Tensor("graph", "STRING", (1,)),  # JSON in the form of ComfyUI's API
    Tensor("picture_name", "STRING", (-1,)),
    Tensor("picture", "STRING", (-1,)),
    ENCODING,
)
OUTPUTS = (Tensor("file_name", "STRING", (-1,)), Tensor("file", "STRING", (-1,)), REPORT)

ROWS: tuple[Stage, ...] = (
    Stage(
        "run_workflow",
        INPUTS,
        OUTPUTS,
        queue=Queue(size=MAX_QUEUED),
        beside=ADVERTISING,
        runs=Service(in_flight=MAX_ACTIVE),
        on_gpu=False,
    ),
    Stage(
        "workflow_stream",
        INPUTS,
        (Tensor("event", "STRING", (1,)), *OUTPUTS),
        queue=Queue(size=MAX_QUEUED),
        beside=ADVERTISING,
        runs=Service(in_flight=MAX_ACTIVE, decoupled=True),
        on_gpu=False,
    ),
)
