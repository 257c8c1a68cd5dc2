"""The order of an export, and the stages that it still has to write. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vitrine_export.checkpoint.protocol import AnyCheckpoint
from vitrine_export.exporting.families import export_of, recipe
from vitrine_export.exporting.recipes import Precision, Recipe
from vitrine_export.exporting.record import Record, read_record
from vitrine_export.exporting.version import exporter_version

TOKENS_OF = "tokens_of_"
"""The length of the axis `tokens_of_16` is the number of latent pixels divided by 16."""


@dataclass(frozen=True)
class Order:
    """The options of an export."""

    checkpoint: AnyCheckpoint
    repository: Path
    stages: tuple[str, ...] | None = None  # None: all of the checkpoint's family
    precision: Mapping[str, Precision] | None = None  # by stage; the default is fp32
    cond: bool = False  # also export denoising without guidance

    def precision_of(self, stage: str) -> Precision:
        """Return the precision inside a stage; its inputs and outputs are always float32."""
        return (self.precision or {}).get(stage, "fp32")

    def files_of(self, stage: str) -> tuple[str, ...]:
        """Return the files that the stage must have after the export, without separate files of weights."""
        return self.recipe(stage).paths(optional=self.cond)

    def recipe(self, stage: str) -> Recipe:
        """Return the recipe of a stage in the checkpoint's family."""
        return recipe(self.checkpoint.family, stage)

    @property
    def all_stages(self) -> tuple[str, ...]:
        """Return the stages of the checkpoint, in the order of work, without optional ones that it lacks."""
        recipes = export_of(self.checkpoint.family).recipes
        return tuple(row.stage for row in recipes if not row.present or self._holds(row))

    def _holds(self, row: Recipe) -> bool:
        return getattr(self.checkpoint, row.present)(row.stage)


@dataclass(frozen=True)
class Work:
    """The work of an export: the record of valid files, and the stages to export."""

    order: Order
    record: Record
    stale: tuple[str, ...]

    @property
    def foreign(self) -> tuple[str, ...]:
        """Stages whose files are of another checkpoint or exporter and are not exported now."""
        known = {*self.stale, *self.record.precision}
        return tuple(
            stage
            for stage in self.order.all_stages
            if stage not in known
            and any((self.order.repository / f).exists() for f in self.order.files_of(stage))
        )


def work_of(order: Order) -> Work:
    """Compare the repository with the order by digests of its files."""
    checkpoint = order.checkpoint
    record = read_record(order.repository, checkpoint.family, checkpoint.digest(), exporter_version())
    stale = tuple(
        stage
        for stage in order.all_stages
        if stage in (order.stages or order.all_stages)
        and not record.holds(stage, order.precision_of(stage), order.files_of(stage), order.repository)
    )
    return Work(order, record, stale)
