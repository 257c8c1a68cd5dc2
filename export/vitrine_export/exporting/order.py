"""What an export is asked for, and what of it is still to do. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.exporting.recipes import STAGE_NAMES, Precision, recipe
from vitrine_export.exporting.record import Record, read_record
from vitrine_export.exporting.version import exporter_version

TOKENS_OF = "tokens_of_"
"""The axis `tokens_of_16` is as long as the latents have pixels, divided by 16."""


@dataclass(frozen=True)
class Order:
    """What to export, and how."""

    checkpoint: Checkpoint
    repository: Path
    stages: tuple[str, ...] = STAGE_NAMES
    precision: Mapping[str, Precision] | None = None  # of a stage; fp32 unless given
    cond: bool = False  # denoise without guidance too

    def precision_of(self, stage: str) -> Precision:
        """How the stage computes inside; its tensors are float32 in any case."""
        return (self.precision or {}).get(stage, "fp32")

    def files_of(self, stage: str) -> tuple[str, ...]:
        """The files that the stage must have in the end (weights beside a graph not counted)."""
        return recipe(stage).paths(optional=self.cond)


@dataclass(frozen=True)
class Work:
    """What is to do: the record of what stands, and the stages that are not as they should be."""

    order: Order
    record: Record
    stale: tuple[str, ...]

    @property
    def foreign(self) -> tuple[str, ...]:
        """Stages with files in the repository that are of another checkpoint or exporter and stay so."""
        known = {*self.stale, *self.record.precision}
        return tuple(
            stage
            for stage in STAGE_NAMES
            if stage not in known
            and any((self.order.repository / f).exists() for f in self.order.files_of(stage))
        )


def work_of(order: Order) -> Work:
    """Compare the repository with the order. Reads and digests files; imports no torch."""
    record = read_record(order.repository, order.checkpoint.digest(), exporter_version())
    stale = tuple(
        stage
        for stage in STAGE_NAMES
        if stage in order.stages
        and not record.holds(stage, order.precision_of(stage), order.files_of(stage), order.repository)
    )
    return Work(order, record, stale)
