"""What a family's transformer does for the batcher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.drawing.engine import Engine, FixedRow, NetworkRow
from vitrine_orchestrator.drawing.facts import PictureFacts
from vitrine_orchestrator.drawing.job_request import JobRequest, JobRules
from vitrine_orchestrator.loras.slots import SlotPool
from vitrine_orchestrator.wire.arrays import Arrays


class JobForm(Protocol):
    """How a family reads a job and lays it out as rows."""

    def read(self, arrays: Arrays, rules: JobRules) -> JobRequest:
        """The job that a request's arrays describe; BadRequest names the input, the rule and the value."""
        ...

    def rows(self, request: Any) -> tuple[FixedRow, ...]:
        """The rows of a job: one, or two where guidance has a row with the negative prompt's caption."""
        ...


@dataclass(frozen=True)
class HeldState:
    """What a job keeps from step to step."""

    request: JobRequest
    rows: tuple[FixedRow, ...]
    slot: int  # of its adapters


class PictureProgram:
    """A Program: all jobs share calls, whatever their sizes, captions, times and adapters."""

    most = 0
    shares = ""

    def __init__(self, engine: Engine, form: JobForm, facts: PictureFacts, rules: JobRules) -> None:
        self._engine, self._form, self._rules = engine, form, rules
        self.family = rules.family
        self.slots = SlotPool(facts.lora_rank, facts.lora_inputs, facts.lora_outputs)
        self.rows = 0  # of the network since the start

    @property
    def lanes(self) -> int:
        """Jobs that are computed concurrently."""
        return self._engine.lanes

    def read(self, arrays: Arrays) -> JobRequest:
        """The job that a request's arrays describe; BadRequest names the input, the rule and the value."""
        return self._form.read(arrays, self._rules)

    def group(self, job: Job) -> str:
        """One group for all jobs."""
        return ""

    def join(self, jobs: Sequence[Job]) -> None:
        """Lay out the jobs' tokens, and put their adapters into slots."""
        for job in jobs:
            request = job.request
            assert isinstance(request, JobRequest)
            job.held = HeldState(request, self._form.rows(request), self.slots.hold(request.loras))

    def share(self, jobs: Sequence[Job]) -> None:
        """Never called: jobs share nothing."""
        raise AssertionError("jobs of this family share nothing")

    def predict(self, jobs: Sequence[Job]) -> list[np.ndarray]:
        """The velocity of every job, (C, h, w) each, with guidance applied."""
        rows = [row for job in jobs for row in _network_rows(job)]
        self.rows += len(rows)
        velocities = iter(self._engine.predict(rows, self.slots))
        return [_guided(job.held, velocities) for job in jobs]

    def leave(self, job: Job) -> None:
        """Give the slot back."""
        if job.held is not None:
            self.slots.release(job.held.request.loras)


def _network_rows(job: Job) -> list[NetworkRow]:
    held = job.held
    return [NetworkRow(row, job.latents, job.timestep, held.request.guidance, held.slot) for row in held.rows]


def _guided(held: HeldState, velocities: Iterator[np.ndarray]) -> np.ndarray:
    """The next job's velocity; with two rows v + g · (v − v of the negative prompt), as released."""
    velocity = next(velocities)
    if len(held.rows) == 1:
        return velocity
    return velocity + np.float32(held.request.guidance) * (velocity - next(velocities))
