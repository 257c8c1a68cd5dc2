"""How the files of a stage are exported from a checkpoint: the type of one row. Imports no torch.

To add a stage, write its row in the orchestrator's stage table, a function that returns its network, and one
recipe in its family's file of `families/`. Order of work, precision, checks, records and TensorRT engines are
derived from the row.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from vitrine_orchestrator.stages import NETWORK_FILE

Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True)
class Recipe:
    """The files of one stage, and the functions that write them.

    Functions are named "module:function" below `vitrine_export.exporting` and imported when they run, because
    importing torch takes seconds. `make(order, recipe, files)` writes the files and returns a list of `Done`.
    """

    stage: str
    make: str
    files: tuple[str, ...] = (NETWORK_FILE,)
    """Names in the stage's version folder."""
    optional: tuple[str, ...] = ()
    """Names of further files, written on request only."""
    networks: str = ""
    """For `traced`: (stage row, checkpoint, dtype) → the `Network` of each file."""
    source: str = ""
    """For `adopted`: the method of `Checkpoint` that returns the stage's file by the stage's name."""
    present: str = ""
    """For `adopted`: the method that says whether the checkpoint holds the file of an optional stage."""
    needs: tuple[str, ...] = ()
    """Networks of the checkpoint whose headers are checked before any work is done."""
    engine_rows: int | None = None
    """The most rows of a TensorRT engine; None means the stage's `max_batch`."""

    @property
    def has_precision(self) -> bool:
        """Whether the precision of the stage can be chosen; it cannot for an adopted file."""
        return bool(self.networks)

    @property
    def is_quick(self) -> bool:
        """Whether the recipe is too quick for a process of its own: it traces and compares no network."""
        return not self.networks and not self.source

    def paths(self, optional: bool = False) -> tuple[str, ...]:
        """Return the files' paths in a model repository."""
        names = self.files + (self.optional if optional else ())
        return tuple(f"{self.stage}/1/{name}" for name in names)


def traced(stage: str, networks: str, *needs: str) -> Recipe:
    """Return the recipe of a stage that is exported through torch."""
    return Recipe(stage, make="stage_files:traced", networks=networks, needs=needs)


def adopted(stage: str, source: str, present: str = "") -> Recipe:
    """Return the recipe of a stage whose ONNX or TorchScript file is part of the checkpoint."""
    return Recipe(stage, make="stage_files:adopted", source=source, present=present)


def function(name: str) -> Any:
    """Import the function that a recipe names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(f"vitrine_export.exporting.{module}"), attribute)
