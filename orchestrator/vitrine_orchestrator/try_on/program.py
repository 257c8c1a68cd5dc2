"""What IDM-VTON's networks do for the batcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vitrine_orchestrator.batching.job import Job, network_inputs
from vitrine_orchestrator.engine.rows import Arrays
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.try_on.denoise_request import JobRequest, JobShapes, read_request
from vitrine_orchestrator.try_on.engine.protocol import Engine
from vitrine_orchestrator.try_on.garment_cache import GarmentCache
from vitrine_orchestrator.try_on.garment_rows import GarmentNames, Garments, Rows, Worn, coming_key, worn

GARMENT_ROWS = 8  # timesteps of garments computed in one call, the longest that other jobs wait for it
GARMENT_BYTES = 512 * 2**20  # of garment keys and values kept


class TryOnProgram:
    """Jobs of equal latent sizes share calls, and jobs of one garment share its rows. See Program."""

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
        self._garments, self._names = Garments(engine, self.cache, garment_rows), GarmentNames()
        self._rows: Rows = {}  # of the coming step
        self._members: list[Job] = []  # whose conditioning `_batch` holds
        self._batch: Any = None

    @property
    def lanes(self) -> int:
        """The engine's."""
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
            job.held = Worn(job.request, self._names.name(job.request))
        rows = [worn(job).request.inputs for job in jobs]
        inputs = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        for job, conditioning in zip(jobs, self._engine.conditioning(inputs), strict=True):
            worn(job).conditioning = conditioning

    def share(self, jobs: Sequence[Job]) -> None:
        """Have the garment rows of the coming step; a job whose row could not be computed is failed."""
        self._rows = self._garments.rows(jobs)

    def predict(self, jobs: Sequence[Job]) -> np.ndarray:
        """The engine's answer; the conditioning is stacked again only when the jobs are others."""
        try:
            if self._members != jobs:
                self._stack(jobs)
            latents, timesteps = network_inputs(jobs)
            garments = [self._rows[coming_key(job)] for job in jobs]
            return self._engine.predict(self._batch, latents, timesteps, garments)
        except Exception:
            self._members, self._batch = [], None
            raise

    def leave(self, job: Job) -> None:
        """Forget the garment's rows where they may have spoilt the job."""
        if job in self._members:
            self._members, self._batch = [], None
        if job.spoilt:
            self.cache.forget(worn(job).garment)

    def _stack(self, jobs: Sequence[Job]) -> None:
        held = [worn(job) for job in jobs]
        guidance = np.array([its.request.guidance for its in held], np.float32)
        self._batch = self._engine.batch([its.conditioning for its in held if its.conditioning], guidance)
        self._members = list(jobs)
