"""Garment keys and values for the rows of a step: computed once for all jobs that wear the garment."""

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
class Worn:
    """What the program holds of a job: its request, and what is computed once for it."""

    request: JobRequest
    garment: str  # the garment and its prompt, as the cache knows them
    conditioning: DeviceRow | None = None


def worn(job: Job) -> Worn:
    """What a job that has joined holds."""
    assert isinstance(job.held, Worn)
    return job.held


class Garments:
    """Rows from the cache; missing ones in calls of at most `rows_per_call`, filled up with timesteps ahead.

    Filling up makes a garment's timesteps cost few calls, and the bound keeps running jobs from waiting long.
    """

    def __init__(self, engine: Engine, cache: GarmentCache, rows_per_call: int) -> None:
        self._engine, self.cache, self._rows_per_call = engine, cache, rows_per_call
        self._row_bytes: dict[tuple[int, int], int] = {}  # by latent size, from the last call
        self.computed = 0  # rows, since the start

    def rows(self, jobs: Sequence[Job]) -> Rows:
        """The rows of the jobs' coming steps; a job whose row could not be computed is failed."""
        wanted = {_key(job, job.step): job for job in jobs}
        rows: Rows = {key: row for key in wanted if (row := self.cache.get(key)) is not None}
        missing = {key: job for key, job in wanted.items() if key not in rows}
        self.cache.hits += len(jobs) - len(wanted)  # jobs that share a row of this very step
        if missing:
            work = [*missing.items(), *self._ahead(jobs, missing)]
            for start in range(0, len(work), self._rows_per_call):
                self._compute(work[start : start + self._rows_per_call], jobs, rows)
        return rows

    def _compute(self, work: Sequence[tuple[GarmentKey, Job]], jobs: Sequence[Job], rows: Rows) -> None:
        requests = [worn(job).request for _, job in work]
        try:
            made = self._engine.garment(
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
        self.computed += len(made)
        for (key, _), row in zip(work, made, strict=True):
            rows[key] = row
            self._row_bytes[key.size] = row.nbytes
            self.cache.put(key, row)

    def _ahead(self, jobs: Sequence[Job], missing: dict[GarmentKey, Job]) -> list[tuple[GarmentKey, Job]]:
        """Later timesteps of the garments being computed: as many as fill the last call and fit the cache."""
        spare = -len(missing) % self._rows_per_call
        key = next(iter(missing))
        if row_bytes := self._row_bytes.get(key.size):
            share = self.cache.max_bytes // row_bytes // len({worn(job).garment for job in jobs})
            spare = min(spare, max(share - 1, 0) * len(missing))
        chosen: dict[GarmentKey, Job] = {}
        for key, job in _later(list(missing.values())):
            if len(chosen) == spare:
                break
            if key not in missing and key not in self.cache:
                chosen[key] = job
        return list(chosen.items())


def _later(jobs: Sequence[Job]) -> Iterator[tuple[GarmentKey, Job]]:
    """The jobs' coming rows, the nearest steps first."""
    for ahead in range(1, max(job.steps - job.step for job in jobs)):
        for job in jobs:
            if job.step + ahead < job.steps:
                yield _key(job, job.step + ahead), job


def _key(job: Job, step: int) -> GarmentKey:
    its = worn(job)
    return GarmentKey(its.garment, float(its.request.schedule.timesteps[step]), its.request.size)


def coming_key(job: Job) -> GarmentKey:
    """The row of the job's coming step."""
    return _key(job, job.step)


class GarmentNames:
    """What the cache calls a garment: the caller's key and the prompt's digest.

    Without a key, the digest of the latents stands for it. A key is the caller's promise of the same latents
    each time (to the last bits, which batching may change); where it is broken, the digest is added, so that
    no job gets another garment's features.
    """

    KEPT = 1024
    CLOSE = 1e-2  # of latents that have a standard deviation near 1

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
        if len(self._latents) > self.KEPT:
            self._latents.popitem(last=False)
        return name if np.abs(known - latents).max() < self.CLOSE else f"{name} latents {_digest(latents)}"


def _digest(array: np.ndarray) -> str:
    return blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()
