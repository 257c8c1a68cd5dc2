"""How FLUX reads a job, and how its transformer takes rows.

Inputs of the graph (R rows, N picture tokens, M text tokens, C the text's width, P CLIP's width):
    patches (R, N, 4 · channels), picture_ids (R, N, 3), picture_valid (R, N), text (R, M, C),
    text_valid (R, M), pooled (R, P), time (R,): σ, and guidance (R,) where the network has it
    → velocity (R, N, 4 · channels), dx/dσ

T5's padding is part of `text` and is attended, as in training. What fills a row up to the longest of a call
is masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.drawing.engine import NetworkRow, stacked, valid
from vitrine_orchestrator.drawing.facts import PATCH
from vitrine_orchestrator.drawing.job_request import JobRequest, JobRules, caption_of, job_fields
from vitrine_orchestrator.flux.facts import FluxFacts
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import tensor

TRAINED = np.float32(1000)
"""The released pipelines divide every timestep by this, whatever the scheduler's config says."""


@dataclass(frozen=True, kw_only=True)
class FluxRequest(JobRequest):
    """One checked job. `guidance` is an input of the network."""

    caption: np.ndarray  # (n, width)
    pooled: np.ndarray  # (pooled width,)


@dataclass(frozen=True)
class FluxRow:
    """What one row keeps from step to step: N picture tokens, M text tokens."""

    size: tuple[int, int]  # height and width of the latents
    picture_ids: np.ndarray  # (N, 3) int64: 0, row, column
    text: np.ndarray  # (M, width) float32
    pooled: np.ndarray  # (pooled width,) float32

    @property
    def tokens(self) -> int:
        """All tokens of the row."""
        return len(self.picture_ids) + len(self.text)


class FluxForm:
    """A FamilyForm. Every job is one row of a call."""

    def __init__(self, facts: FluxFacts) -> None:
        self.facts = facts

    def read(self, arrays: Arrays, rules: JobRules) -> FluxRequest:
        """See JobForm."""
        common = job_fields(arrays, self.facts, rules)
        self.facts.check_guidance(common["guidance"])
        return FluxRequest(
            **common,
            caption=caption_of(arrays, "caption", self.facts),
            pooled=tensor(arrays, "pooled", (self.facts.pooled_width,)),
        )

    def rows(self, request: FluxRequest) -> tuple[FluxRow, ...]:
        """See JobForm."""
        _, height, width = request.shape
        tall, wide = height // PATCH, width // PATCH
        ids = np.zeros((tall * wide, 3), np.int64)
        ids[:, 1:] = np.indices((tall, wide)).reshape(2, -1).T
        return (FluxRow((height, width), ids, request.caption, request.pooled),)

    def feeds(self, rows: Sequence[NetworkRow]) -> dict[str, np.ndarray]:
        """See RowForm."""
        fixed: list[FluxRow] = [row.fixed for row in rows]
        feeds = {
            "patches": stacked([patched(row.latents) for row in rows]),
            "picture_ids": stacked([row.picture_ids for row in fixed]),
            "picture_valid": valid([len(row.picture_ids) for row in fixed]),
            "text": stacked([row.text for row in fixed]),
            "text_valid": valid([len(row.text) for row in fixed]),
            "pooled": np.stack([row.pooled for row in fixed]),
            "time": np.array([row.timestep for row in rows], np.float32) / TRAINED,
        }
        if self.facts.embedded_guidance:
            feeds["guidance"] = np.array([row.guidance for row in rows], np.float32)
        return feeds

    def velocities(self, output: np.ndarray, rows: Sequence[NetworkRow]) -> list[np.ndarray]:
        """See RowForm."""
        return [unpatched(row, one.fixed.size) for row, one in zip(output, rows, strict=True)]


def patched(latents: np.ndarray) -> np.ndarray:
    """Latents (C, h, w) → (h/2 · w/2, 4 · C); the channel is first within a patch."""
    channels, height, width = latents.shape
    parted = latents.reshape(channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return parted.transpose(1, 3, 0, 2, 4).reshape(-1, channels * PATCH * PATCH)


def unpatched(tokens: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A row's output (N, 4 · C) → (C, h, w)."""
    tall, wide = size[0] // PATCH, size[1] // PATCH
    parted = tokens[: tall * wide].reshape(tall, wide, -1, PATCH, PATCH)  # tall, wide, C, p, p
    return parted.transpose(2, 0, 3, 1, 4).reshape(-1, *size)
