"""CLIP's rows of the stage table: both towers, and the pipeline that compares pictures with prompts."""

from __future__ import annotations

from vitrine_orchestrator.stages.shared import ENCODING, REPORT
from vitrine_orchestrator.stages.table import Network, Service, Stage, Tensor, of_family, optional

FAMILY = "clip"
SIDE, LENGTH = 224, 77
"""Pixels a side of CLIP's pictures, and tokens of its texts: of ViT-B/32, ViT-B/16 and ViT-L/14."""

ROWS = of_family(
    FAMILY,
    Stage(
        "clip_image",
        (Tensor("pixel_values", "FP32", (3, SIDE, SIDE)),),
        (Tensor("features", "FP32", (-1,)),),
        runs=Network(max_batch=16),
    ),
    Stage(
        "clip_text",
        (Tensor("input_ids", "INT64", (LENGTH,)),),
        (Tensor("features", "FP32", (-1,)),),
        runs=Network(max_batch=16),
    ),
    Stage(
        "score",
        optional(
            Tensor("image", "STRING", (-1,)),
            Tensor("image_raw", "UINT8", (-1, -1, 3)),
            Tensor("prompt", "STRING", (-1,)),
            ENCODING,
        ),
        (Tensor("cosine", "FP32", (-1, -1)), REPORT),
        runs=Service(in_flight=16, own_queue=True),
        on_gpu=False,
    ),
)
