"""The present forecast of a process: read from the database once for all who ask within a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.tables import Job, WorkerProcess
from vitrine_gateway.jobs.forecast import Plan, Running, RunningJobs, Times, Waiting, step_end_of
from vitrine_gateway.jobs.slowdown import FEWEST, Past, served, slowdown_of
from vitrine_gateway.jobs.state_names import QUEUED, RUNNING, SUCCEEDED

RECENT = 31  # jobs of a kind whose times count
TOGETHER = 200  # the last jobs of all kinds, which tell how much jobs slow each other down
MOST_FORESEEN = 5000  # jobs that wait; those behind them are taken for the next ones
FRESH_S = (0.1, 1.0)  # a plan is made again after this, at least and at most
COST = 20  # and not before so many times the seconds that the last one took
STALE_S = 1.0  # for so long callers need not wait while it is made again
PAST_S = 2.0  # after this the last jobs are read again
TIMES_S = 10.0  # after this the slowdown is found again, and times of kinds that are not among the last jobs
_WHOLE = "*"  # stands for all kinds of work of a pipeline
_RUNNING = select(Job).where(Job.state == RUNNING)
_QUEUE = (
    select(Job.id, Job.pipeline, Job.work, Job.run_after)
    .where(Job.state == QUEUED)
    .order_by(Job.created_at, Job.id)
    .limit(MOST_FORESEEN)
)
_PAST = (
    select(Job.pipeline, Job.work, Job.started_at, Job.finished_at, Job.state)
    .where(Job.finished_at.is_not(None))
    .order_by(Job.finished_at.desc())
    .limit(TOGETHER)
)
_PLACES = select(func.coalesce(func.sum(WorkerProcess.places), 0)).where(
    WorkerProcess.seen_at.between(bindparam("since"), bindparam("until"))
)

log = structlog.get_logger("vitrine_gateway.estimates")


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
        self._plan, self._running = Plan(0.0, 0, {}, Times()), RunningJobs((), (), 0.0)
        self._next_plan = float("-inf")
        self._planned: set[str] = set()
        self._past: Sequence[Past] = ()
        self._past_at = float("-inf")  # when it was read
        self._known: dict[tuple[str, str], list[float]] = {}
        self._fitted, self._fitted_at = 0.0, float("-inf")  # the slowdown, and when it was found
        self._times: dict[tuple[str, str], tuple[float, list[float]]] = {}  # when read, and the times
        self._lock = asyncio.Lock()  # held while a job is added
        self._reading: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End a look into the database that nobody waits for."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def estimate(self, job: Job) -> Estimate:
        """Return what is known of the rest of a job that waits or runs; NOTHING for another one."""
        if job.state not in (QUEUED, RUNNING):
            return NOTHING
        await self._look()
        if job.state == QUEUED and job.id not in self._planned:
            async with self._lock:
                if job.id not in self._planned:
                    await self._add(job)
        now, step_end = time.time(), None
        if job.state == RUNNING:
            running = running_of(job)
            left = self._running.left(running, now, self._plan.times)
            end = None if left is None else now + left / self._running.speed
            step_end = step_end_of(running)
        else:
            foreseen = self._plan.foreseen.get(job.id)
            end = None if foreseen is None else foreseen.end
        return Estimate(_left(end, now), _left(step_end, now))

    async def _look(self) -> None:
        """Have the plan made again if it is old, once for all who ask; wait for one that is too old."""
        late = time.monotonic() - self._next_plan
        if late <= 0:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(_noted)
        if late > STALE_S:
            await asyncio.shield(self._reading)

    def _look_back(self, past: Sequence[Past], now: float) -> None:
        """Find from the last jobs the service that each kind needs. The slowdown takes some milliseconds."""
        if now - self._fitted_at > TIMES_S:
            self._fitted, self._fitted_at = slowdown_of(past), now
        kinds = served(past, self._fitted).items()
        self._known = {kind: needed[-RECENT:] for kind, needed in kinds if len(needed) >= FEWEST}
        self._past, self._past_at = past, now

    async def _read(self) -> None:
        now, begun = time.time(), time.monotonic()
        async with self._database.reading() as session:
            places = await places_of(session, now, self._lease_s)
            open_jobs = list(await session.scalars(_RUNNING))
            waiting = [Waiting(*row) for row in await session.execute(_QUEUE)]
            if begun - self._past_at > PAST_S:
                self._look_back(await past_of(session), begun)
            kinds = {(job.pipeline, job.work) for job in open_jobs}
            kinds |= {(one.pipeline, one.work) for one in waiting}
            others = await self._recent(session, kinds - self._known.keys())
            times = Times({**self._known, **others}, self._fitted)
        running = [running_of(job) for job in open_jobs]
        self._running = RunningJobs(running, self._past, self._fitted)
        self._plan = Plan(
            now, places, {one.id: self._running.left(one, now, times) for one in running}, times
        )
        self._plan.add(*waiting)
        self._planned = {one.id for one in waiting}
        ended = time.monotonic()
        self._next_plan = ended + min(max(COST * (ended - begun), FRESH_S[0]), FRESH_S[1])

    async def _add(self, job: Job) -> None:
        """Add a job that was queued after the last look."""
        more: dict[tuple[str, str], list[float]] = {}
        if (job.pipeline, job.work) not in self._plan.times.taken:
            async with self._database.reading() as session:
                more = await self._recent(session, [(job.pipeline, job.work)])
        plan = self._plan  # perhaps another one than before
        plan.times = replace(plan.times, taken={**plan.times.taken, **more})
        plan.pass_until(time.time())
        plan.add(Waiting(job.id, job.pipeline, job.work, job.run_after))
        self._planned.add(job.id)

    async def _recent(
        self, session: AsyncSession, kinds: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], list[float]]:
        """Return recent times of kinds that are not among the last jobs; without any, of the whole pipeline.

        They are taken as they are, since what ran beside them is not known.
        """
        now = time.monotonic()
        self._times = {kind: kept for kind, kept in self._times.items() if now - kept[0] < TIMES_S}
        taken = {}
        for pipeline, work in kinds:
            found = await self._of_kind(session, pipeline, work)
            if not found:
                work, found = _WHOLE, await self._of_kind(session, pipeline, _WHOLE)
            if found:
                taken[pipeline, work] = found
        return taken

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


def _noted(reading: asyncio.Task[None]) -> None:
    """Log why the plan could not be made; whoever waits for it gets the error too."""
    if not reading.cancelled() and (error := reading.exception()):
        log.warning("the forecast could not look into the database", error=str(error))


async def past_of(session: AsyncSession) -> list[Past]:
    """Return the last jobs of all kinds that ended, the oldest first."""
    past = [
        Past(pipeline, work, begun, finished, state == SUCCEEDED)
        for pipeline, work, begun, finished, state in await session.execute(_PAST)
        if begun is not None and finished is not None and finished > begun
    ]
    return past[::-1]


def running_of(job: Job) -> Running:
    """Return a running job as the forecast sees it."""
    told = job.progress
    left_s, at = told.get("left_s"), told.get("at")
    if left_s is None or at is None:
        left_s, at = None, 0.0
    return Running(job.id, job.pipeline, job.work, job.started_at or job.created_at, left_s, at)


async def places_of(session: AsyncSession, now: float, lease_s: float) -> int:
    """Return the places of all workers that were seen within a lease; not of those of a clock set back."""
    return int(await session.scalar(_PLACES, {"since": now - lease_s, "until": now + lease_s}) or 0)


def _left(end: float | None, now: float) -> float | None:
    return None if end is None else max(end - now, 0.0)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
