"""The in-flight batcher of one group of jobs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from vitrine.errors import StageFailed

from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.batching.program import Program
from vitrine_orchestrator.sampling.schedule import advance

logger = logging.getLogger(__name__)

ROWS_PER_LANE = 4  # larger calls are no cheaper per row and make new jobs wait longer
CALLS_PER_STEP = 2  # a job's deadline in calls is its number of steps times this


class Batcher:
    """Batches denoising steps. Jobs join and leave between steps, never inside one."""

    def __init__(
        self, program: Program, counters: Counters, clock: Callable[[], float], call_rows: int = 0
    ) -> None:
        """`call_rows`: most jobs in one call. 0: ROWS_PER_LANE for each lane, or no limit with one lane.

        The program's own limit applies as well.
        """
        self._program, self._counters, self._clock = program, counters, clock
        usual = ROWS_PER_LANE * program.lanes if program.lanes > 1 else sys.maxsize
        self._call_rows = min(call_rows or usual, program.most or sys.maxsize)
        self.joining: list[Job] = []  # jobs that run from the next step on
        self.running: list[Job] = []
        self._calls = 0  # steps so far

    def __len__(self) -> int:
        return len(self.running) + len(self.joining)

    def step(self) -> list[Job]:
        """Compute one step of the jobs that are due; return the jobs that left."""
        left = self._leave()
        self._join()
        self._calls += 1
        due = self._due()
        if due and self._program.shares:
            self._timed(self._program.shares, lambda: self._share(due))
            left += self._leave()
        if due := [job for job in due if not job.over]:
            self._timed("steps", lambda: self._advance(due))
        return left + self._leave()

    def clear(self) -> list[Job]:
        """Remove and return all jobs."""
        jobs = self.running + self.joining
        for job in self.running:
            self._release(job)
        self.running, self.joining = [], []
        return jobs

    def _leave(self) -> list[Job]:
        """Remove and return the jobs that ended, were cancelled or passed their deadline."""
        now = self._clock()
        jobs = self.running + self.joining
        for job in jobs:
            job.give_up_if_due(now)
        for job in self.running:
            if job.over:
                self._release(job)
        self.running = [job for job in self.running if not job.over]
        self.joining = [job for job in self.joining if not job.over]
        return [job for job in jobs if job.over]

    def _release(self, job: Job) -> None:
        """Let the program release the job's state."""
        try:
            self._program.leave(job)
        except Exception:
            logger.exception("the shared rows of job %s could not be released", job.name)
        job.held = None

    def _join(self) -> None:
        """Start the joining jobs and compute their conditioning in one call."""
        jobs, self.joining = self.joining, []
        if not jobs:
            return
        now = self._clock()
        for job in jobs:
            job.start(now)
            job.target = self._calls + CALLS_PER_STEP * job.steps
        self.running += jobs
        try:
            self._program.join(jobs)
        except Exception:
            logger.exception("conditioning call of %d rows failed", len(jobs))
            _fail(jobs, "the conditioning could not be computed")
        for job in jobs:
            job.timings["conditioning"] = self._clock() - now

    def _share(self, jobs: Sequence[Job]) -> None:
        try:
            self._program.share(jobs)
        except Exception:
            logger.exception("shared rows of %d jobs failed", len(jobs))
            _fail(jobs, f"the {self._program.shares} could not be computed")

    def _due(self) -> list[Job]:
        """The jobs of the next call, at most `call_rows`: new jobs, then those with the earliest deadline.

        A job's deadline grows with its own number of steps. So jobs of equal length run in their order of
        arrival, a short job overtakes long ones, and no job is overtaken for ever (earliest deadline first;
        Liu and Layland, 1973). A call takes a multiple of `lanes` jobs, so that no lane idles; the rest wait
        for the next call. Three jobs on two lanes thus end sooner than in calls of three.
        """
        count, lanes = min(len(self.running), self._call_rows), self._program.lanes
        if count > lanes:
            count -= count % lanes
        if count == len(self.running):
            return self.running
        return sorted(self.running, key=lambda job: (job.step > 0, job.target))[:count]

    def _advance(self, jobs: list[Job]) -> None:
        """One call for these jobs; a row that is not finite fails its own job only."""
        output = self._predicted(jobs)
        if output is None:
            return
        for job in jobs:
            job.rows += len(jobs)
        for places in _places_by_shape(jobs):
            alike = [jobs[place] for place in places]
            _finish_step(alike, np.stack([output[place] for place in places]))

    def _predicted(self, jobs: list[Job]) -> Sequence[np.ndarray] | np.ndarray | None:
        """The program's prediction; None when it failed, and then the jobs of the call have failed too."""
        began = self._clock()
        try:
            output = self._program.predict(jobs)
            given, wanted = [row.shape for row in output], [job.latents.shape for job in jobs]
            if given != wanted:
                raise ValueError(f"the networks returned {given} for latents {wanted}")
            return output
        except Exception:
            logger.exception("denoising call of %d rows failed", len(jobs))
            _fail(jobs, "the engine failed in a step")
            return None
        finally:
            self._counters.call(len(jobs), self._clock() - began)

    def _timed(self, part: str, work: Callable[[], Any]) -> Any:
        """Run `work` and add its seconds to `part` of every running job: jobs not due wait for it too."""
        jobs, began = self.running, self._clock()
        try:
            return work()
        finally:
            seconds = self._clock() - began
            for job in jobs:
                job.timings[part] += seconds


def _places_by_shape(jobs: Sequence[Job]) -> list[list[int]]:
    """The places of the jobs in `jobs`; those of each shape of latents together."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, job in enumerate(jobs):
        places.setdefault(job.latents.shape, []).append(place)
    return list(places.values())


def _finish_step(jobs: Sequence[Job], output: np.ndarray) -> None:
    """Move jobs of one shape a step on by the networks' output (R, *shape)."""
    table = np.stack([job.row for job in jobs])
    latents = np.stack([job.latents for job in jobs])
    noise = np.zeros_like(latents)
    for index, job in enumerate(jobs):
        noise[index] = job.noise()
    next_latents, clean = advance(table, latents, output, noise)
    finite = np.isfinite(next_latents).all(axis=tuple(range(1, next_latents.ndim)))
    for index, job in enumerate(jobs):
        if finite[index]:
            job.finish_step(next_latents[index], clean[index])
        else:
            _fail_as_not_finite(job)


def _fail(jobs: Sequence[Job], message: str) -> None:
    for job in jobs:
        job.error = StageFailed("denoise", message)


def _fail_as_not_finite(job: Job) -> None:
    job.spoilt = True
    message = f"step {job.step + 1} of {job.steps} gave numbers that are not finite"
    job.error = StageFailed("denoise", message)
