"""The scheduler's config of a checkpoint, refused here where the server would refuse it. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vitrine_orchestrator.sampling.config import SCHEDULER_CLASSES
from vitrine_orchestrator.sampling.schedules import Schedules

from vitrine_export.checkpoint import layout
from vitrine_export.errors import BadCheckpoint

SCHEDULER = "scheduler/scheduler_config.json"


def read_scheduler(folder: Path, kinds: Sequence[str]) -> dict[str, Any]:
    """Return scheduler/scheduler_config.json unchanged; `kinds` are those that the family is sampled with.

    Raises BadCheckpoint for a config that cannot be served, or of another kind.
    """
    config = layout.read_json(folder / SCHEDULER, SCHEDULER)
    try:
        own = Schedules(config).own
    except (ValueError, TypeError, ArithmeticError) as error:
        raise BadCheckpoint(f"{SCHEDULER}: {error}; fetch the released one") from error
    if own not in kinds:
        known = sorted(name for name, kind in SCHEDULER_CLASSES.items() if kind in kinds)
        raise BadCheckpoint(f"{SCHEDULER}: _class_name must be one of {known}, got {config['_class_name']!r}")
    return config
