"""Gives jobs to workers and takes them back from those that are gone, on SQLite as on PostgreSQL."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Collection

from sqlalchemy import and_, bindparam, case, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from vitrine_gateway.database.tables import Job, WorkerProcess, table_of
from vitrine_gateway.jobs.state_names import QUEUED, RUNNING
from vitrine_gateway.jobs.states import add_event, job_of

MAX_LOSSES = 10  # a job whose worker or server was lost more often ends as failed
LOSS_PAUSES_S = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # longest pause after each loss; the last one repeats
FAR_S = 900.0
"""A time that is further ahead is of before the clock was set back: no pause and no lease is as long."""
_jobs = table_of(Job)
# Statements of every job are built once: building one costs more than running it.
_IS_QUEUED = and_(
    Job.state == QUEUED, or_(Job.run_after <= bindparam("now"), Job.run_after > bindparam("far"))
)
_IS_LOST = and_(
    Job.state == RUNNING, or_(Job.lease_until < bindparam("now"), Job.lease_until > bindparam("far"))
)
_DUE = select(or_(exists().where(_IS_QUEUED), exists().where(_IS_LOST)))
_LOST = select(Job).where(_IS_LOST).order_by(Job.id).with_for_update(skip_locked=True)
_NEXT = (
    select(Job.id)
    .where(_IS_QUEUED)
    .order_by(Job.created_at, Job.id)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_LEASE = (
    update(_jobs)
    .where(Job.id == _NEXT, Job.state == QUEUED)
    .values(
        state=RUNNING,
        started_at=bindparam("now"),
        lease=bindparam("under"),
        lease_until=bindparam("until"),
        progress={},
    )
    .returning(*_jobs.c)
)


def loss_pause_s(losses: int) -> float:
    """Return the pause after a job's loss number `losses` (from 1): none after the first one, then random.

    Of the jobs that were lost together one may be the cause; random pauses part it from the others.
    """
    return random.uniform(0.5, 1.0) * LOSS_PAUSES_S[min(losses, len(LOSS_PAUSES_S)) - 1]


def is_anything_due(session: Session) -> bool:
    """Whether a job can be begun, or the lease of one has run out."""
    now = time.time()
    return bool(session.scalar(_DUE, {"now": now, "far": now + FAR_S}))


async def requeue_lost(session: AsyncSession) -> int:
    """Queue the running jobs again whose leases have run out, and count a loss of each; return how many.

    On PostgreSQL rows that another process is changing are left out (SKIP LOCKED).
    """
    now = time.time()
    jobs = list(await session.scalars(_LOST, {"now": now, "far": now + FAR_S}))
    for job in jobs:
        pause_s = 0.0 if job.cancel else loss_pause_s(job.losses + 1)
        job.losses, job.state, job.run_after = job.losses + 1, QUEUED, now + pause_s
        job.lease, job.lease_until, job.progress = None, None, {}
        await session.flush()
        await add_event(session, job.id, QUEUED, {"after_s": round(pause_s, 2), "losses": job.losses})
    return len(jobs)


async def lease_next(session: AsyncSession, worker: str, lease_s: float) -> Job | None:
    """Give the longest waiting job to the worker.

    On PostgreSQL workers step over rows that another one is taking (SKIP LOCKED); on SQLite the transaction
    holds the only lock for writing, so the same statement takes each job once.
    """
    now = time.time()
    times = {"now": now, "far": now + FAR_S, "until": now + lease_s}
    leased = await session.execute(_LEASE, {**times, "under": f"{worker}/{secrets.token_hex(6)}"})
    job = job_of(leased.one_or_none())
    if job is not None:
        await add_event(session, job.id, RUNNING, {"try": job.tries + job.losses + 1})
    return job


async def forgive(session: AsyncSession, job_id: str) -> None:
    """Take back a loss of the job: its lease ran out while its worker lived, which was busy or cut off.

    If the job still waits because of the loss, it waits no longer.
    """
    await session.execute(
        update(Job)
        .where(Job.id == job_id, Job.losses > 0)
        .values(
            losses=Job.losses - 1, run_after=case((Job.state == QUEUED, time.time()), else_=Job.run_after)
        )
        .execution_options(synchronize_session=False)
    )


async def renew(session: AsyncSession, leases: Collection[str], lease_s: float) -> set[str]:
    """Prolong leases; return those that are still held."""
    renewed = await session.scalars(
        update(Job)
        .where(Job.lease.in_(leases), Job.state == RUNNING)
        .values(lease_until=time.time() + lease_s)
        .returning(Job.lease)
        .execution_options(synchronize_session=False)
    )
    return {lease for lease in renewed if lease}


def to_cancel(session: Session, leases: Collection[str]) -> set[str]:
    """Return the leases of jobs whose callers want them to end."""
    found = session.scalars(select(Job.lease).where(Job.lease.in_(leases), Job.cancel))
    return {lease for lease in found if lease}


async def tell_places(session: AsyncSession, worker: str, places: int) -> None:
    """Say that a worker lives and how many jobs it runs at the same time."""
    await session.merge(WorkerProcess(name=worker, places=places, seen_at=time.time()))


async def take_leave(session: AsyncSession, worker: str) -> None:
    """Say that a worker takes no more jobs."""
    await session.execute(delete(WorkerProcess).where(WorkerProcess.name == worker))
