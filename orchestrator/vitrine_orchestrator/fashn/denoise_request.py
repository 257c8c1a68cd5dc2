"""Reads a denoise request of FASHN VTON and checks it before the job enters the queue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.fashn.facts import FAMILY, FashnFacts
from vitrine_orchestrator.fashn.schedule import schedule
from vitrine_orchestrator.sampling.schedule import Schedule
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import (
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_STEPS,
    identifier,
    required,
    scalar,
    word,
)

CATEGORIES = {"upper_body": 1, "lower_body": 2, "dresses": 3}
"""The network's number of a category; 0 is none."""

PICTURES = {"person_picture": 3, "person_pose_picture": 0, "garment_picture": 3, "garment_pose_picture": 0}
"""The pictures of a job, in the order in which the network takes them; colours of a pixel, 0: grey."""

SCHEDULERS = ("checkpoint", "flow")


@dataclass(frozen=True)
class FashnRequest:
    """One checked job."""

    pictures: Arrays  # the inputs of PICTURES, uint8 on the canvas: (H, W, 3) or (H, W)
    category: int  # 1 to 3
    seed: int
    guidance: float
    guided_steps: int  # the first steps, which have guidance
    schedule: Schedule
    scheduler: str = "checkpoint"
    job: str | None = None  # the caller's name of the job, to poll or cancel it
    clean: None = None  # a try-on starts from noise only

    @property
    def family(self) -> str:
        """The name of the FASHN VTON family."""
        return FAMILY

    @property
    def shape(self) -> tuple[int, ...]:
        """The state's shape, (3, H, W)."""
        height, width = self.pictures["person_pose_picture"].shape
        return 3, height, width


def read_request(arrays: Arrays, facts: FashnFacts) -> FashnRequest:
    """The job that the request's arrays describe; BadRequest names the input, the rule and the value."""
    steps = int(scalar(arrays, "steps", np.int32, 1, MAX_STEPS))
    guidance = float(scalar(arrays, "guidance", np.float32, 0, MAX_GUIDANCE))
    return FashnRequest(
        pictures={name: _picture(arrays, name, facts, colours) for name, colours in PICTURES.items()},
        category=CATEGORIES[word(arrays, "category", tuple(CATEGORIES), "upper_body")],
        seed=int(scalar(arrays, "seed", np.uint64, 0, MAX_SEED)),
        guidance=guidance,
        guided_steps=max(steps - facts.unguided_steps, 0) if guidance > 1 else 0,
        schedule=schedule(steps, facts.shift, facts.prediction_type),
        scheduler=word(arrays, "scheduler", SCHEDULERS, "checkpoint"),
        job=identifier(arrays, "job"),
    )


def _picture(arrays: Arrays, name: str, facts: FashnFacts, colours: int) -> np.ndarray:
    picture = required(arrays, name)
    shape = (facts.height, facts.width, colours)[: 3 if colours else 2]
    if picture.dtype != np.uint8 or picture.shape != shape:
        raise BadRequest(f"{name} must be uint8 of shape {shape}, got {picture.dtype} {picture.shape}")
    return np.array(picture)
