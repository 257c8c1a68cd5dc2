"""Reads what the denoise requests of all picture families have in common, before a job enters the queue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.drawing.asked_loras import check_rank, named_weights
from vitrine_orchestrator.drawing.facts import PATCH, PictureFacts
from vitrine_orchestrator.loras.registry import Registry
from vitrine_orchestrator.loras.slots import Mix
from vitrine_orchestrator.sampling.config import UnsupportedScheduler
from vitrine_orchestrator.sampling.schedule import Schedule
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import (
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_STEPS,
    identifier,
    required,
    scalar,
    tensor,
)


@dataclass(frozen=True)
class JobRules:
    """What a job's reading needs next to the facts: the family's name, schedules and adapters."""

    family: str
    schedules: Schedules
    loras: Registry


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """One checked job; each family adds its captions. Arrays are float32 without a row axis."""

    family: str
    shape: tuple[int, ...]  # of the latents, (C, h, w)
    guidance: float
    seed: int
    schedule: Schedule
    scheduler: str = "checkpoint"
    loras: Mix = ()
    clean: np.ndarray | None = None  # (C, h, w), the picture that the job starts from
    job: str | None = None  # the caller's name of the job, to poll or cancel it


def job_fields(arrays: Arrays, facts: PictureFacts, rules: JobRules) -> dict[str, Any]:
    """The fields of JobRequest; BadRequest names the input, the rule and the value."""
    size, clean = _start(arrays, facts)
    return {
        "family": rules.family,
        "shape": (facts.channels, *size),
        "guidance": float(scalar(arrays, "guidance", np.float32, 0, MAX_GUIDANCE)),
        "seed": int(scalar(arrays, "seed", np.uint64, 0, MAX_SEED)),
        "schedule": _schedule(arrays, rules.schedules, size, clean is not None),
        "scheduler": identifier(arrays, "scheduler") or "checkpoint",
        "loras": _loras(arrays, rules.loras, facts.lora_rank),
        "clean": clean,
        "job": identifier(arrays, "job"),
    }


def caption_of(arrays: Arrays, name: str, facts: PictureFacts) -> np.ndarray:
    """The features of a prompt, (n, width) float32; BadRequest for another shape or no tokens."""
    given = required(arrays, name)
    if given.ndim != 2 or not 0 < len(given) <= facts.longest_caption:
        raise BadRequest(
            f"{name} must have shape (tokens, {facts.caption_width}) with 1 to {facts.longest_caption} "
            f"tokens, got {given.shape}"
        )
    return tensor(arrays, name, (len(given), facts.caption_width))


def _start(arrays: Arrays, facts: PictureFacts) -> tuple[tuple[int, int], np.ndarray | None]:
    """Height and width of the latents, and the latents that the job starts from."""
    if "start_latents" in arrays:
        given = arrays["start_latents"]
        if given.ndim != 3 or given.shape[0] != facts.channels:
            raise BadRequest(
                f"start_latents must have shape ({facts.channels}, height, width), got {given.shape}"
            )
        clean = tensor(arrays, "start_latents", given.shape)
    else:
        clean, given = None, required(arrays, "size")
        if given.dtype != np.int32 or given.size != 2:
            raise BadRequest(f"size must be two int32, width and height, got {given.dtype} {given.shape}")
        width, height = (int(side) for side in given.reshape(-1))
        facts.check_size(width, height)
        return (height // facts.factor, width // facts.factor), None
    rows, columns = given.shape[1:]
    if rows % PATCH or columns % PATCH:
        raise BadRequest(f"start_latents must have sides that are multiples of {PATCH}, got {given.shape}")
    facts.check_size(columns * facts.factor, rows * facts.factor)
    return (rows, columns), clean


def _schedule(arrays: Arrays, schedules: Schedules, size: tuple[int, int], starts: bool) -> Schedule:
    if "strength" in arrays and not starts:
        raise BadRequest("strength must not be given without start_latents: there is nothing to keep")
    steps = int(scalar(arrays, "steps", np.int32, 1, MAX_STEPS))
    strength = float(scalar(arrays, "strength", np.float32, 0, 1)) if starts else 1.0
    return schedule_of(schedules, identifier(arrays, "scheduler") or "checkpoint", steps, size, strength)


def schedule_of(
    schedules: Schedules, name: str, steps: int, size: tuple[int, int], strength: float
) -> Schedule:
    """The schedule of latents of that height and width; BadRequest where the checkpoint offers none."""
    try:
        return schedules.get(name, steps, math.prod(size) // PATCH**2, strength)
    except UnsupportedScheduler as error:
        raise BadRequest(str(error)) from error


def _loras(arrays: Arrays, registry: Registry, rank: int) -> Mix:
    mix = tuple((registry.get(name), weight) for name, weight in zip(*named_weights(arrays), strict=True))
    check_rank([lora.card for lora, _ in mix], rank)
    return mix
