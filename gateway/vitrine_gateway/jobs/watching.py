"""What callers who watch jobs read again and again, gathered over all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.orm import Session

from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.gathering import Gathered
from vitrine_gateway.database.tables import Job, JobEvent
from vitrine_gateway.jobs.states import QUEUED

_JOBS = select(Job).where(Job.id.in_(bindparam("ids", expanding=True)))
_QUEUE = select(Job.id).where(Job.state == QUEUED).order_by(Job.created_at, Job.id)


@dataclass(frozen=True)
class Watched:
    """A job and its place among all that wait, 1 for the next one; None if it does not wait."""

    job: Job
    position: int | None


class Watching:
    """Reads jobs by id, and events by the job's id and the number of the last event that is known."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.jobs = Gathered(self._jobs)
        self.events = Gathered(self._events)

    async def _jobs(self, ids: Collection[str]) -> dict[str, Watched]:
        return await self._database.read(lambda session: _read_jobs(session, ids))

    async def _events(self, known: Collection[tuple[str, int]]) -> dict[tuple[str, int], list[JobEvent]]:
        return await self._database.read(lambda session: _read_events(session, known))


def _read_jobs(session: Session, ids: Collection[str]) -> dict[str, Watched]:
    jobs = list(session.scalars(_JOBS, {"ids": list(ids)}))
    places: dict[str, int] = {}
    if any(job.state == QUEUED for job in jobs):
        places = {job_id: place for place, job_id in enumerate(session.scalars(_QUEUE), 1)}
    return {job.id: Watched(job, places.get(job.id)) for job in jobs}


def _read_events(
    session: Session, known: Collection[tuple[str, int]]
) -> dict[tuple[str, int], list[JobEvent]]:
    newer = [and_(JobEvent.job_id == job_id, JobEvent.number > number) for job_id, number in known]
    by_job: defaultdict[str, list[JobEvent]] = defaultdict(list)
    for event in session.scalars(select(JobEvent).where(or_(*newer)).order_by(JobEvent.number)):
        by_job[event.job_id].append(event)
    return {
        (job_id, number): [event for event in by_job[job_id] if event.number > number]
        for job_id, number in known
    }
