"""The row of the prompt processor, which needs no checkpoint."""

from __future__ import annotations

from vitrine_orchestrator.stages.pictures import ADVERTISING
from vitrine_orchestrator.stages.shared import REPORT
from vitrine_orchestrator.stages.table import Service, Stage, Tensor, optional

ROWS: tuple[Stage, ...] = (
    Stage(
        "prepare_ad_prompt",
        optional(
            Tensor("sentence", "STRING", (1,)),
            Tensor("trade", "STRING", (1,)),
            Tensor("style", "STRING", (1,)),
            Tensor("theme", "STRING", (1,)),
            Tensor("empty", "BOOL", (1,)),  # the scene alone: a product is put into it afterwards
        ),
        (
            Tensor("prompt", "STRING", (1,)),
            Tensor("negative_prompt", "STRING", (1,)),
            REPORT,
        ),
        beside=ADVERTISING,
        runs=Service(in_flight=32, own_queue=True),
        on_gpu=False,
    ),
)
