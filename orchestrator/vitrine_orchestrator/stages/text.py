"""The row of the stage table for text on pictures. It needs no checkpoint; servers of pictures have it."""

from __future__ import annotations

from vitrine_orchestrator.stages.pictures import ADVERTISING
from vitrine_orchestrator.stages.shared import ENCODING, REPORT
from vitrine_orchestrator.stages.table import Queue, Service, Stage, Tensor, optional

NAME = "text_overlay"
MAX_ACTIVE, MAX_QUEUED = 4, 64
"""Pictures that are worked on at the same time and that wait; a text holds about 30 bytes for each pixel of
the part of the picture on which it is painted."""

ROWS: tuple[Stage, ...] = (
    Stage(
        NAME,
        optional(
            Tensor("image", "STRING", (1,)),
            Tensor("image_raw", "UINT8", (-1, -1, 3)),
            Tensor("texts", "STRING", (1,)),  # JSON: a list of texts; docs/text.md says their fields
            Tensor("keep_clear", "UINT8", (-1, -1)),  # height, width: what texts must not cover; 0 is free
            Tensor("format", "STRING", (1,)),
            Tensor("describe", "BOOL", (1,)),  # answer with a report alone: fonts, places for texts
            ENCODING,
        ),
        (Tensor("image", "STRING", (1,)), REPORT),
        queue=Queue(size=MAX_QUEUED),
        beside=ADVERTISING,
        runs=Service(in_flight=MAX_ACTIVE, own_queue=True),
        on_gpu=False,
    ),
)
"""Text on pictures."""
