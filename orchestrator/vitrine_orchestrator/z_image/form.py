"""How Z-Image reads a job, and how its transformer takes rows.

Inputs of the graph (R rows, N picture tokens, M caption tokens, C the caption's width):
    patches (R, N, 4 · channels), picture_ids (R, N, 3), picture_pad and picture_valid (R, N),
    caption (R, M, C), caption_ids (R, M, 3), caption_pad and caption_valid (R, M), time (R,): 1 − σ
    → velocity (R, N, 4 · channels), of the opposite sign to dx/dσ
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.drawing.engine import NetworkRow
from vitrine_orchestrator.drawing.job_request import JobRequest, JobRules, caption_of, job_fields
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.z_image.facts import ZImageFacts
from vitrine_orchestrator.z_image.token_rows import TokenRow, patches, stacked_rows, token_row, unpatched

TIMESTEPS = np.float32(1000)
"""The released pipeline divides by this, whatever the scheduler's config says."""


@dataclass(frozen=True, kw_only=True)
class ZImageRequest(JobRequest):
    """One checked job. `guidance` weighs the difference between both captions' predictions; 0: none."""

    caption: np.ndarray  # (n, width)
    negative_caption: np.ndarray | None  # (m, width); None: the job has no guidance


class ZImageForm:
    """A FamilyForm. A job with guidance is two rows of a call, one for each caption."""

    def __init__(self, facts: ZImageFacts) -> None:
        self.facts = facts

    def read(self, arrays: Arrays, rules: JobRules) -> ZImageRequest:
        """See JobForm."""
        common = job_fields(arrays, self.facts, rules)
        guided = common["guidance"] > 0
        return ZImageRequest(
            **common,
            caption=caption_of(arrays, "caption", self.facts),
            negative_caption=caption_of(arrays, "negative_caption", self.facts) if guided else None,
        )

    def rows(self, request: ZImageRequest) -> tuple[TokenRow, ...]:
        """See JobForm."""
        size = request.shape[1], request.shape[2]
        captions = (request.caption, request.negative_caption)
        return tuple(token_row(size, caption) for caption in captions if caption is not None)

    def feeds(self, rows: Sequence[NetworkRow]) -> dict[str, np.ndarray]:
        """See RowForm."""
        feeds = stacked_rows([row.fixed for row in rows])
        times = [(TIMESTEPS - np.float32(row.timestep)) / TIMESTEPS for row in rows]
        return feeds | {
            "patches": patches([row.latents for row in rows], feeds["picture_pad"].shape[1]),
            "time": np.array(times, np.float32),
        }

    def velocities(self, output: np.ndarray, rows: Sequence[NetworkRow]) -> list[np.ndarray]:
        """See RowForm."""
        return [-unpatched(row, one.fixed.size) for row, one in zip(output, rows, strict=True)]
