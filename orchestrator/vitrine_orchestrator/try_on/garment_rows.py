"""Garment keys and values for the rows of a step: computed once for all jobs with the same garment."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from vitrine.errors import StageFailed

from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.try_on.denoise_request import JobRequest
from vitrine_orchestrator.try_on.engine.protocol import Engine
from vitrine_orchestrator.try_on.garment_cache import GarmentCache, GarmentKey

logger = logging.getLogger(__name__)

Rows = dict[GarmentKey, DeviceRow]


@dataclass
class HeldState:
    """What the program keeps for a job from joining to leaving."""

    request: JobRequest
    garment: str  # the name of the garment and its prompt in the cache
    conditioning: DeviceRow | None = None


def held_state(job: Job) -> HeldState:
    """The state of a job that has joined."""
    assert isinstance(job.held, HeldState)
    return job.held


class GarmentRows:
    """Rows from the cache; missing rows are computed in calls of at most `rows_per_call` rows.

    A call that is not full also computes later timesteps, so a garment's timesteps cost few calls. The limit
    bounds how long running jobs wait for a call.
    """

    def __init__(self, engine: Engine, cache: GarmentCache, rows_per_call: int) -> None:
        self._engine, self.cache, self._rows_per_call = engine, cache, rows_per_call
        self._row_bytes: dict[tuple[int, int], int] = {}  # bytes of a row by latent size, from the last call
        self.computed = 0  # rows, since the start

    def rows(self, jobs: Sequence[Job]) -> Rows:
        """The rows of the jobs' next steps; a job whose row could not be computed gets an error."""
        wanted = {_key(job, job.step): job for job in jobs}
        rows: Rows = {key: row for key in wanted if (row := self.cache.get(key)) is not None}
        missing = {key: job for key, job in wanted.items() if key not in rows}
        self.cache.hits += len(jobs) - len(wanted)  # jobs that share a row of this step
        if missing:
            work = [*missing.items(), *self._ahead(jobs, missing)]
            for start in range(0, len(work), self._rows_per_call):
                self._compute(work[start : start + self._rows_per_call], jobs, rows)
        return rows

    def _compute(self, work: Sequence[tuple[GarmentKey, Job]], jobs: Sequence[Job], rows: Rows) -> None:
        requests = [held_state(job).request for _, job in work]
        try:
            computed = self._engine.garment(
                np.stack([request.garment_latents for request in requests]),
                np.array([key.timestep for key, _ in work], np.float32),
                np.stack([request.garment_prompt for request in requests]),
            )
        except Exception:
            logger.exception("garment call of %d rows failed", len(work))
            failed = {key for key, _ in work}
            for job in jobs:
                if _key(job, job.step) in failed:
                    job.error = StageFailed("denoise", "the garment could not be computed")
            return
        self.computed += len(computed)
        for (key, _), row in zip(work, computed, strict=True):
            rows[key] = row
            self._row_bytes[key.size] = row.nbytes
            self.cache.put(key, row)

    def _ahead(self, jobs: Sequence[Job], missing: dict[GarmentKey, Job]) -> list[tuple[GarmentKey, Job]]:
        """Later timesteps of the missing garments: as many as fill the last call and fit into the cache."""
        spare = -len(missing) % self._rows_per_call
        key = next(iter(missing))
        if row_bytes := self._row_bytes.get(key.size):
            share = self.cache.max_bytes // row_bytes // len({held_state(job).garment for job in jobs})
            spare = min(spare, max(share - 1, 0) * len(missing))
        chosen: dict[GarmentKey, Job] = {}
        for key, job in _later(list(missing.values())):
            if len(chosen) == spare:
                break
            if key not in missing and key not in self.cache:
                chosen[key] = job
        return list(chosen.items())


def _later(jobs: Sequence[Job]) -> Iterator[tuple[GarmentKey, Job]]:
    """The rows of the jobs' steps after the next one, the nearest steps first."""
    for ahead in range(1, max(job.steps - job.step for job in jobs)):
        for job in jobs:
            if job.step + ahead < job.steps:
                yield _key(job, job.step + ahead), job


def _key(job: Job, step: int) -> GarmentKey:
    state = held_state(job)
    return GarmentKey(state.garment, float(state.request.schedule.timesteps[step]), state.request.size)


def next_key(job: Job) -> GarmentKey:
    """The key of the row of the job's next step."""
    return _key(job, job.step)


class GarmentNames:
    """The names of garments in the cache: the caller's key and the digest of the prompt.

    Without a key, the digest of the latents takes its place. With a key, the caller promises equal latents
    each time, except for rounding that depends on the batch. When latents differ more, their digest is added
    to the name, so that no job gets another garment's rows.
    """

    MAX_KEPT = 1024  # names; then the least recently used is forgotten
    MAX_DIFFERENCE = 1e-2  # latents that differ more are another garment; their deviation is near 1

    def __init__(self) -> None:
        self._latents: OrderedDict[str, np.ndarray] = OrderedDict()

    def name(self, request: JobRequest) -> str:
        """The garment and its prompt, for `GarmentKey.garment`."""
        prompt, latents = _digest(request.garment_prompt), request.garment_latents
        if request.garment_key is None:
            return f"latents {_digest(latents)} prompt {prompt}"
        name = f"key {request.garment_key} prompt {prompt} size {latents.shape}"
        known = self._latents.setdefault(name, latents)
        self._latents.move_to_end(name)
        if len(self._latents) > self.MAX_KEPT:
            self._latents.popitem(last=False)
        return (
            name
            if np.abs(known - latents).max() < self.MAX_DIFFERENCE
            else f"{name} latents {_digest(latents)}"
        )


def _digest(array: np.ndarray) -> str:
    return blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()
