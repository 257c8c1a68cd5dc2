"""What callers who watch jobs read again and again, gathered over all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.gathering import Gathered
from vitrine_gateway.database.tables import Job, JobEvent, table_of
from vitrine_gateway.jobs.state_names import QUEUED


@dataclass(frozen=True)
class Event:
    """One event of a job; see the table `job_events`."""

    job_id: str
    number: int
    kind: str
    data: dict[str, Any]
    at: float


# Statements are built once, and events read as plain rows: both cost more than the database does.
_JOBS = select(Job).where(Job.id.in_(bindparam("ids", expanding=True)))
_QUEUE = select(Job.id).where(Job.state == QUEUED).order_by(Job.created_at, Job.id)
_events = table_of(JobEvent)
_EVENTS = (
    select(*(_events.c[column.name] for column in fields(Event)))
    .where(_events.c.job_id.in_(bindparam("ids", expanding=True)), _events.c.number > bindparam("known"))
    .order_by(_events.c.number)
)


@dataclass(frozen=True)
class Watched:
    """A job and its place among all that wait, 1 for the next one; None if it does not wait."""

    job: Job
    position: int | None


class Watching:
    """Reads jobs by id, and events by the job's id and the number of the last event that is known."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.jobs = Gathered(self._jobs, database.version)
        self.events = Gathered(self._events)

    async def _jobs(self, ids: Collection[str]) -> dict[str, Watched]:
        return await self._database.read(lambda session: _read_jobs(session, ids))

    async def now(self, job_id: str) -> Watched | None:
        """Return a job at once, for a caller who asks one time."""
        return (await self._jobs([job_id])).get(job_id)

    async def _events(self, known: Collection[tuple[str, int]]) -> dict[tuple[str, int], list[Event]]:
        return await self._database.read(lambda session: _read_events(session, known))


def _read_jobs(session: Session, ids: Collection[str]) -> dict[str, Watched]:
    jobs = list(session.scalars(_JOBS, {"ids": list(ids)}))
    places: dict[str, int] = {}
    if any(job.state == QUEUED for job in jobs):
        places = {job_id: place for place, job_id in enumerate(session.scalars(_QUEUE), 1)}
    return {job.id: Watched(job, places.get(job.id)) for job in jobs}


def _read_events(session: Session, known: Collection[tuple[str, int]]) -> dict[tuple[str, int], list[Event]]:
    """Return the events after each known one. Most callers know the same number: one statement for each."""
    by_number: defaultdict[int, list[str]] = defaultdict(list)
    for job_id, number in known:
        by_number[number].append(job_id)
    newer: dict[tuple[str, int], list[Event]] = {one: [] for one in known}
    for number, ids in by_number.items():
        for row in session.execute(_EVENTS, {"ids": ids, "known": number}):
            event = Event(*row)
            newer[event.job_id, number].append(event)
    return newer
