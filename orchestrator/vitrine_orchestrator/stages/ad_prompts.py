"""The row of the prompt processor, which needs no checkpoint."""

from __future__ import annotations

from vitrine_orchestrator.stages.advertising import BESIDE
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
        ),
        (
            Tensor("prompt", "STRING", (1,)),
            Tensor("negative_prompt", "STRING", (1,)),
            REPORT,
        ),
        runs=Service(in_flight=32),
        beside=BESIDE,
        on_gpu=False,
    ),
)
