"""The scheduler's config of a checkpoint, refused here where the server would refuse it. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    known = sorted(name for name, kind in SCHEDULER_CLASSES.items() if kind in kinds)
    if (given := config.get("_class_name")) not in known:
        raise BadCheckpoint(f"{SCHEDULER}: _class_name must be one of {known}, got {given!r}")
    _schedules(config)
    return config


def ensure_default_schedule(config: Mapping[str, Any], steps: int, tokens: int | None = None) -> None:
    """Raise BadCheckpoint for a config with which a request without options cannot be computed.

    steps: the default number of steps. tokens: of a picture of the usual size; None for diffusion schedulers.
    """
    schedules = _schedules(config)
    try:
        schedules.get("checkpoint", steps, tokens)
    except (ValueError, ArithmeticError, IndexError) as error:
        raise BadCheckpoint(f"{SCHEDULER}: a usual request cannot be computed with it: {error}") from error


def _schedules(config: Mapping[str, Any]) -> Schedules:
    try:
        return Schedules(config)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise BadCheckpoint(f"{SCHEDULER}: {error}; fetch the released one") from error
