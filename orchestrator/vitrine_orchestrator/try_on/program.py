"""What IDM-VTON's networks do for the batcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vitrine_orchestrator.batching.job import Job, network_inputs
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.try_on.denoise_request import JobRequest, JobShapes, read_request
from vitrine_orchestrator.try_on.engine.protocol import Engine
from vitrine_orchestrator.try_on.garment_cache import GarmentCache
from vitrine_orchestrator.try_on.garment_rows import (
    GarmentNames,
    GarmentRows,
    HeldState,
    Rows,
    held_state,
    next_key,
)
from vitrine_orchestrator.wire.arrays import Arrays

GARMENT_ROWS = 8  # most garment rows in one call; running jobs wait for the whole call
GARMENT_BYTES = 512 * 2**20
"""Limit of garment keys and values in the cache; the least recently used are evicted."""


class TryOnProgram:
    """A Program: jobs of equal latent sizes share calls, and jobs with the same garment share its rows."""

    most = 0
    shares = "garment"

    def __init__(
        self,
        engine: Engine,
        shapes: JobShapes,
        schedules: Schedules,
        garment_bytes: int = GARMENT_BYTES,
        garment_rows: int = GARMENT_ROWS,
    ) -> None:
        self._engine, self._shapes, self._schedules = engine, shapes, schedules
        self.cache = GarmentCache(garment_bytes)
        self._garments, self._names = GarmentRows(engine, self.cache, garment_rows), GarmentNames()
        self._rows: Rows = {}  # garment rows of the next step
        self._members: list[Job] = []  # the jobs whose conditioning is stacked in `_batch`
        self._batch: Any = None

    @property
    def lanes(self) -> int:
        """The lanes of the engine."""
        return self._engine.lanes

    @property
    def computed(self) -> int:
        """Garment rows computed since the start."""
        return self._garments.computed

    def read(self, arrays: Arrays) -> JobRequest:
        """The job that a request's arrays describe; BadRequest names the input, the rule and the value."""
        return read_request(arrays, self._shapes, self._schedules)

    def group(self, job: Job) -> tuple[int, ...]:
        """The latent size."""
        return job.request.shape

    def join(self, jobs: Sequence[Job]) -> None:
        """Name the jobs' garments and compute their conditioning in one call."""
        for job in jobs:
            assert isinstance(job.request, JobRequest)
            job.held = HeldState(job.request, self._names.name(job.request))
        rows = [held_state(job).request.inputs for job in jobs]
        inputs = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        for job, conditioning in zip(jobs, self._engine.conditioning(inputs), strict=True):
            held_state(job).conditioning = conditioning

    def share(self, jobs: Sequence[Job]) -> None:
        """Get the garment rows of the next step; a job whose row could not be computed gets an error."""
        self._rows = self._garments.rows(jobs)

    def predict(self, jobs: Sequence[Job]) -> np.ndarray:
        """The engine's prediction; the conditioning is stacked again only when the jobs have changed."""
        try:
            if self._members != jobs:
                self._stack(jobs)
            latents, timesteps = network_inputs(jobs)
            garments = [self._rows[next_key(job)] for job in jobs]
            return self._engine.predict(self._batch, latents, timesteps, garments)
        except Exception:
            self._members, self._batch = [], None
            raise

    def leave(self, job: Job) -> None:
        """Forget the garment's rows when the job's numbers were not finite: the rows may be the cause."""
        if job in self._members:
            self._members, self._batch = [], None
        if job.spoilt:
            self.cache.forget(held_state(job).garment)

    def _stack(self, jobs: Sequence[Job]) -> None:
        states = [held_state(job) for job in jobs]
        guidance = np.array([state.request.guidance for state in states], np.float32)
        conditioning = [state.conditioning for state in states if state.conditioning]
        self._batch = self._engine.batch(conditioning, guidance)
        self._members = list(jobs)
