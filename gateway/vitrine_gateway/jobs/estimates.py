"""The present forecast of a process: read from the database once for all who ask within a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.tables import Job, WorkerProcess
from vitrine_gateway.jobs.forecast import Plan, Running, Times, Waiting, end_of_running, step_end_of
from vitrine_gateway.jobs.states import QUEUED, RUNNING, SUCCEEDED

RECENT = 31  # jobs of a kind whose times count
MOST_FORESEEN = 5000  # jobs that wait; those behind them are taken for the next ones
FRESH_S = 1.0
TIMES_S = 10.0  # times of finished jobs of one kind are read again after this
_WHOLE = "*"  # stands for all kinds of work of a pipeline


@dataclass(frozen=True)
class Estimate:
    """Seconds until a job's end, and until the end of the step that it is in; None where nothing is known."""

    eta_s: float | None
    step_eta_s: float | None

    def told(self) -> dict[str, float | None]:
        """Return the fields of a job's state and events."""
        return {"eta_seconds": _rounded(self.eta_s), "step_eta_seconds": _rounded(self.step_eta_s)}


NOTHING = Estimate(None, None)


class Forecast:
    """Estimates of this process."""

    def __init__(self, database: Database, lease_s: float) -> None:
        self._database, self._lease_s = database, lease_s
        self._plan = Plan(0.0, 0, (), Times())
        self._planned_at = float("-inf")
        self._planned: set[str] = set()
        self._times: dict[tuple[str, str], tuple[float, list[float]]] = {}  # when read, and the times
        self._lock = asyncio.Lock()

    async def estimate(self, job: Job) -> Estimate:
        """Return what is known of the rest of a job that waits or runs; NOTHING for another one."""
        if job.state not in (QUEUED, RUNNING):
            return NOTHING
        async with self._lock:
            if time.monotonic() - self._planned_at > FRESH_S:
                await self._read()
            if job.state == QUEUED and job.id not in self._planned:
                await self._add(job)
        now, step_end = time.time(), None
        if job.state == RUNNING:
            running = running_of(job)
            end, step_end = end_of_running(running, self._plan.times, now), step_end_of(running)
        else:
            foreseen = self._plan.foreseen.get(job.id)
            end = None if foreseen is None else foreseen.end
        return Estimate(_left(end, now), _left(step_end, now))

    async def _read(self) -> None:
        now = time.time()
        async with self._database.reading() as session:
            places = await places_of(session, now - self._lease_s)
            open_jobs = list(await session.scalars(select(Job).where(Job.state == RUNNING)))
            queue = select(Job.id, Job.pipeline, Job.work, Job.run_after).where(Job.state == QUEUED)
            rows = await session.execute(queue.order_by(Job.created_at, Job.id).limit(MOST_FORESEEN))
            waiting = [Waiting(*row) for row in rows]
            kinds = {(job.pipeline, job.work) for job in open_jobs}
            kinds |= {(one.pipeline, one.work) for one in waiting}
            times = await self._recent(session, kinds)
        self._plan = Plan(now, places, [running_of(job) for job in open_jobs], times)
        for one in waiting:
            self._plan.add(one)
        self._planned = {one.id for one in waiting}
        self._planned_at = time.monotonic()

    async def _add(self, job: Job) -> None:
        """Add a job that was queued after the last look."""
        async with self._database.reading() as session:
            more = await self._recent(session, [(job.pipeline, job.work)])
        self._plan.times = Times({**self._plan.times.taken, **more.taken})
        self._plan.add(Waiting(job.id, job.pipeline, job.work, job.run_after))
        self._planned.add(job.id)

    async def _recent(self, session: AsyncSession, kinds: Iterable[tuple[str, str]]) -> Times:
        """Return recent times of these kinds, and of the whole pipeline of a kind that has none."""
        now = time.monotonic()
        self._times = {kind: kept for kind, kept in self._times.items() if now - kept[0] < TIMES_S}
        taken = {}
        for pipeline, work in kinds:
            found = await self._of_kind(session, pipeline, work)
            if not found:
                work, found = _WHOLE, await self._of_kind(session, pipeline, _WHOLE)
            if found:
                taken[pipeline, work] = found
        return Times(taken)

    async def _of_kind(self, session: AsyncSession, pipeline: str, work: str) -> list[float]:
        if (pipeline, work) in self._times:
            return self._times[pipeline, work][1]
        wanted = [Job.pipeline == pipeline, Job.state == SUCCEEDED, Job.started_at.is_not(None)]
        wanted += [] if work == _WHOLE else [Job.work == work]
        taken = select(Job.finished_at - Job.started_at).where(*wanted)
        newest = await session.scalars(taken.order_by(Job.finished_at.desc()).limit(RECENT))
        found = [one for one in newest if one]
        if found:
            self._times[pipeline, work] = (time.monotonic(), found)
        return found


def running_of(job: Job) -> Running:
    """Return a running job as the forecast sees it."""
    told = job.progress
    left_s, at = told.get("left_s"), told.get("at")
    if left_s is None or at is None:
        left_s, at = None, 0.0
    return Running(job.id, job.pipeline, job.work, job.started_at or job.created_at, left_s, at)


async def places_of(session: AsyncSession, since: float) -> int:
    """Return the places of all workers that were seen since then."""
    counted = select(func.coalesce(func.sum(WorkerProcess.places), 0)).where(WorkerProcess.seen_at > since)
    return int(await session.scalar(counted) or 0)


def _left(end: float | None, now: float) -> float | None:
    return None if end is None else max(end - now, 0.0)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
