"""The in-flight batcher of one latent size."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from vitrine.errors import StageFailed

from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.sampling.schedule import INPUT_SCALE, advance
from vitrine_orchestrator.try_on.engine.protocol import Engine
from vitrine_orchestrator.try_on.garment_cache import GarmentKey
from vitrine_orchestrator.try_on.garment_rows import GarmentNames, Garments, Rows

logger = logging.getLogger(__name__)

ROWS_A_LANE = 4  # more in a call cost as much a row, and let newcomers wait longer
STRETCH = 2  # a job should have ended after so many calls as it has steps, times this


class Batcher:
    """Batches denoising steps. Jobs join and leave between steps, never inside one."""

    def __init__(
        self,
        engine: Engine,
        garments: Garments,
        names: GarmentNames,
        counters: Counters,
        clock: Callable[[], float],
        call_rows: int = 0,
    ) -> None:
        """`call_rows`: the most in one call; 0: no matter how many, or ROWS_A_LANE where there are lanes."""
        self._engine, self._garments, self._names = engine, garments, names
        self._call_rows = call_rows or (ROWS_A_LANE * engine.lanes if engine.lanes > 1 else sys.maxsize)
        self._counters, self._clock = counters, clock
        self.joining: list[Job] = []  # take part from the next step on
        self.running: list[Job] = []
        self._calls = 0  # so far
        self._members: list[Job] = []  # whose conditioning `_batch` holds
        self._batch: Any = None

    def __len__(self) -> int:
        return len(self.running) + len(self.joining)

    def step(self) -> list[Job]:
        """Move the running jobs whose turn it is one step on; return the jobs that left."""
        left = self._leave()
        self._join()
        self._calls += 1
        due = self._due()
        rows = self._timed("garment", lambda: self._garments.rows(due)) if due else {}
        left += self._leave()
        if due := [job for job in due if not job.over]:
            self._timed("steps", lambda: self._advance(due, rows))
        return left + self._leave()

    def _leave(self) -> list[Job]:
        """Take out the jobs that are over, or that their callers gave up."""
        now = self._clock()
        jobs = self.running + self.joining
        for job in jobs:
            job.give_up_if_due(now)
        self.running = [job for job in self.running if not job.over]
        self.joining = [job for job in self.joining if not job.over]
        return [job for job in jobs if job.over]

    def _join(self) -> None:
        """Compute the newcomers' conditioning in one call."""
        jobs, self.joining = self.joining, []
        if not jobs:
            return
        now = self._clock()
        for job in jobs:
            job.garment = self._names.name(job.request)
            job.start(now)
            job.target = self._calls + STRETCH * job.steps
        self.running += jobs
        names = jobs[0].request.inputs
        try:
            inputs = {name: np.stack([job.request.inputs[name] for job in jobs]) for name in names}
            conditioning = self._engine.conditioning(inputs)
        except Exception:
            logger.exception("conditioning call of %d rows failed", len(jobs))
            _fail(jobs, "the conditioning could not be computed")
        else:
            for job, row in zip(jobs, conditioning, strict=True):
                job.conditioning = row
        for job in jobs:
            job.timings["conditioning"] = self._clock() - now

    def _due(self) -> list[Job]:
        """The jobs of the coming call, at most `call_rows`: newcomers, then those that should end first.

        When a job should end depends on its own length, so equal jobs go in the order in which they came,
        a short one passes long ones, and none is passed for ever (earliest deadline first; Liu and Layland,
        1973). Of an odd rest that would leave a lane of the engine without work, one waits for the next call:
        three jobs on two lanes move on two at a time, and all three sooner than in calls of three.
        """
        count, lanes = min(len(self.running), self._call_rows), self._engine.lanes
        if count > lanes:
            count -= count % lanes
        if count == len(self.running):
            return self.running
        return sorted(self.running, key=lambda job: (job.step > 0, job.target))[:count]

    def _advance(self, jobs: list[Job], rows: Rows) -> None:
        """One engine call for these jobs; a row that is not finite fails its own job only."""
        table = np.stack([job.row for job in jobs])
        latents = np.stack([job.latents for job in jobs])
        output = self._predicted(jobs, table, latents, rows)
        if output is None:
            return
        noise = np.zeros_like(latents)
        for index, job in enumerate(jobs):
            noise[index] = job.noise()
        onward, clean = advance(table, latents, output, noise)
        sound = np.isfinite(onward).all(axis=(1, 2, 3))
        for index, job in enumerate(jobs):
            job.rows += len(jobs)
            if sound[index]:
                job.moved(onward[index], clean[index])
            else:
                self._spoilt(job)

    def _predicted(
        self, jobs: list[Job], table: np.ndarray, latents: np.ndarray, rows: Rows
    ) -> np.ndarray | None:
        """The engine's answer; None when it failed, and the jobs of the call with it."""
        began = self._clock()
        try:
            return self._predict(jobs, table, latents, rows)
        except Exception:
            logger.exception("denoising call of %d rows failed", len(jobs))
            _fail(jobs, "the engine failed in a step")
            self._members = []
            return None
        finally:
            self._counters.call(len(jobs), self._clock() - began)

    def _predict(self, jobs: list[Job], table: np.ndarray, latents: np.ndarray, rows: Rows) -> np.ndarray:
        if self._members != jobs:
            guidance = np.array([job.request.guidance for job in jobs], np.float32)
            self._batch = self._engine.batch([job.conditioning for job in jobs if job.conditioning], guidance)
            self._members = list(jobs)
        seen = (latents * table[:, INPUT_SCALE, None, None, None]).astype(np.float32)
        timesteps = np.array([job.timestep for job in jobs], np.float32)
        garments = [rows[GarmentKey(job.garment, job.timestep, job.request.size)] for job in jobs]
        output = self._engine.predict(self._batch, seen, timesteps, garments)
        if output.shape != latents.shape:
            raise ValueError(f"the engine answered {output.shape} to latents {latents.shape}")
        return output

    def _spoilt(self, job: Job) -> None:
        """Fail the job and forget its garment's rows, which may be what spoilt it."""
        self._garments.cache.forget(job.garment)
        message = f"step {job.step + 1} of {job.steps} gave numbers that are not finite"
        job.error = StageFailed("denoise", message)

    def _timed(self, part: str, work: Callable[[], Any]) -> Any:
        """Run `work` and add its seconds to every running job's `part`: who is not due waits for it."""
        jobs, began = self.running, self._clock()
        try:
            return work()
        finally:
            seconds = self._clock() - began
            for job in jobs:
                job.timings[part] += seconds


def _fail(jobs: Sequence[Job], message: str) -> None:
    for job in jobs:
        job.error = StageFailed("denoise", message)
