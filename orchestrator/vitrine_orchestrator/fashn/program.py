"""What FASHN VTON's network does for the batcher.

A call has one row for each branch of each job: two in a step with guidance, one in a step without. Rows have
their own time, category and pictures, so jobs at any step share a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vitrine_orchestrator.batching.job import Job, network_inputs
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.fashn.canvas import as_tensor
from vitrine_orchestrator.fashn.denoise_request import PICTURES, FashnRequest, read_request
from vitrine_orchestrator.fashn.engine.protocol import PICTURES as NETWORK_PICTURES
from vitrine_orchestrator.fashn.engine.protocol import Engine
from vitrine_orchestrator.fashn.facts import FashnFacts
from vitrine_orchestrator.fashn.schedule import schedule
from vitrine_orchestrator.fashn.tables import FirstVelocities, Modulations, Moment
from vitrine_orchestrator.sampling.schedule import Schedule
from vitrine_orchestrator.wire.arrays import Arrays

NONE = 0  # the category of the unconditional branch
JOBS = 4  # of one call: a guided job alone nearly fills a GPU, and more jobs make each other wait


class Row(NamedTuple):
    """One branch of a job in a call: its place among the call's jobs, and whether it has the conditions."""

    place: int
    conditional: bool


@dataclass(eq=False)
class HeldState:
    """What a job holds while it runs."""

    tokens: DeviceRow  # of its pictures
    modulations: dict[Moment, DeviceRow]  # of all its steps


class FashnProgram:
    """A Program: all jobs have the checkpoint's canvas and may share calls."""

    lanes = 1  # a job is two rows, which the engine splits over the cores itself
    most = JOBS
    shares = ""

    def __init__(self, engine: Engine, facts: FashnFacts) -> None:
        self._engine, self._facts = engine, facts
        self.modulations, self.first_velocities = Modulations(engine), FirstVelocities()
        self.rows = 0  # computed since the start
        size = (facts.height, facts.width)
        grey = {"person": 3, "person_pose": 1, "garment": 3, "garment_pose": 1}
        none = {name: np.zeros((1, channels, *size), np.float32) for name, channels in grey.items()}
        (self._no_tokens,) = engine.fixed_tokens(none)
        self._members: list[tuple[str, bool]] = []  # the rows whose tokens are stacked in `_batch`
        self._batch: Any = None

    def warm(self) -> None:
        """Compute the modulations of the default steps, so that no request waits for them."""
        facts = self._facts
        plan = schedule(facts.default_steps, facts.shift, facts.prediction_type)
        for category in (NONE, 1, 2, 3):
            self.modulations.rows(_moments(plan, category))

    def read(self, arrays: Arrays) -> FashnRequest:
        """The job that a request's arrays describe; BadRequest names the input, the rule and the value."""
        return read_request(arrays, self._facts)

    def group(self, job: Job) -> tuple[int, ...]:
        """The shape of the state."""
        return job.request.shape

    def join(self, jobs: Sequence[Job]) -> None:
        """Compute the tokens of the jobs' pictures in one call, and the modulations that are not kept."""
        requests = [_request(job) for job in jobs]
        pictures = {
            theirs: np.stack([as_tensor(request.pictures[ours]) for request in requests])
            for ours, theirs in zip(PICTURES, NETWORK_PICTURES, strict=True)
        }
        for job, request, tokens in zip(jobs, requests, self._engine.fixed_tokens(pictures), strict=True):
            moments = _moments(request.schedule, request.category)
            if request.guided_steps:
                moments += _moments(request.schedule, NONE)[: request.guided_steps]
            job.held = HeldState(tokens, self.modulations.rows(moments))

    def share(self, jobs: Sequence[Job]) -> None:
        """Never called: `shares` is empty."""

    def predict(self, jobs: Sequence[Job]) -> np.ndarray:
        """The velocities with guidance applied: unconditional + guidance · (conditional − unconditional)."""
        try:
            return self._guided(jobs)
        except Exception:
            self._members, self._batch = [], None
            raise

    def leave(self, job: Job) -> None:
        """Release the stacked tokens; forget the first velocity where the job's numbers were not finite."""
        if any(name == job.name for name, _ in self._members):
            self._members, self._batch = [], None
        if job.spoilt:
            self.first_velocities.drop(_request(job).seed)

    def _guided(self, jobs: Sequence[Job]) -> np.ndarray:
        kept = self._kept(jobs)
        guided = [job.step < _request(job).guided_steps for job in jobs]
        rows = [Row(place, True) for place in range(len(jobs))]
        rows += [Row(place, False) for place in range(len(jobs)) if guided[place] and place not in kept]
        velocities = self._velocities(jobs, rows)
        unconditional = kept | {
            row.place: velocity for row, velocity in zip(rows, velocities, strict=True) if not row.conditional
        }
        output = velocities[: len(jobs)].copy()
        for place, none in unconditional.items():
            guidance = np.float32(_request(jobs[place]).guidance)
            output[place] = none + guidance * (output[place] - none)
            if jobs[place].step == 0 and place not in kept:
                self.first_velocities.put(_request(jobs[place]).seed, none.copy())
        return output

    def _kept(self, jobs: Sequence[Job]) -> dict[int, np.ndarray]:
        """The unconditional velocities of first steps that are kept, by place."""
        found = {
            place: self.first_velocities.get(_request(job).seed)
            for place, job in enumerate(jobs)
            if job.step == 0 and _request(job).guided_steps
        }
        return {place: velocity for place, velocity in found.items() if velocity is not None}

    def _velocities(self, jobs: Sequence[Job], rows: Sequence[Row]) -> np.ndarray:
        """The network's velocities of the rows, (R, 3, H, W); tokens are stacked when the rows change."""
        states, times = network_inputs(jobs)
        members = [(jobs[row.place].name, row.conditional) for row in rows]
        if self._members != members:
            tokens = [_held(jobs[row.place]).tokens if row.conditional else self._no_tokens for row in rows]
            self._batch, self._members = self._engine.batch(tokens), members
        moments = [
            (float(times[row.place]), _request(jobs[row.place]).category if row.conditional else NONE)
            for row in rows
        ]
        modulations = [
            _held(jobs[row.place]).modulations[moment] for row, moment in zip(rows, moments, strict=True)
        ]
        self.rows += len(rows)
        return self._engine.step(self._batch, states[[row.place for row in rows]], modulations)


def _moments(plan: Schedule, category: int) -> list[Moment]:
    """The moments of all steps of a schedule."""
    return [(float(time), category) for time in plan.timesteps]


def _request(job: Job) -> FashnRequest:
    assert isinstance(job.request, FashnRequest)
    return job.request


def _held(job: Job) -> HeldState:
    assert isinstance(job.held, HeldState)
    return job.held
