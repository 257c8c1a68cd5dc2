"""Gives jobs to workers: one statement on SQLite and PostgreSQL."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection

from sqlalchemy import and_, case, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from vitrine_gateway.database.tables import Job, WorkerProcess
from vitrine_gateway.jobs.states import QUEUED, RUNNING, add_event


async def lease_next(session: AsyncSession, worker: str, lease_s: float) -> Job | None:
    """Give the longest waiting job to the worker: a queued one, or a running one whose lease ran out.

    On PostgreSQL workers step over rows that another one is taking (SKIP LOCKED); on SQLite the transaction
    holds the only lock for writing, so the same statement takes each job once.
    """
    now = time.time()
    waiting = or_(
        and_(Job.state == QUEUED, Job.run_after <= now), and_(Job.state == RUNNING, Job.lease_until < now)
    )
    chosen = (
        select(Job.id)
        .where(waiting)
        .order_by(Job.created_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    found = await session.scalars(
        update(Job)
        .where(Job.id == chosen, waiting)
        .values(
            losses=Job.losses + case((Job.state == RUNNING, 1), else_=0),
            state=RUNNING,
            started_at=now,
            lease=f"{worker}/{secrets.token_hex(6)}",
            lease_until=now + lease_s,
            progress={},
        )
        .returning(Job)
        .execution_options(synchronize_session=False)
    )
    job = found.one_or_none()
    if job is not None:
        await add_event(session, job.id, RUNNING, {"try": job.tries + job.losses + 1})
    return job


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


async def to_cancel(session: AsyncSession, leases: Collection[str]) -> set[str]:
    """Return the leases of jobs whose callers want them to end."""
    found = await session.scalars(select(Job.lease).where(Job.lease.in_(leases), Job.cancel))
    return {lease for lease in found if lease}


async def tell_places(session: AsyncSession, worker: str, places: int) -> None:
    """Say that a worker lives and how many jobs it runs at the same time."""
    await session.merge(WorkerProcess(name=worker, places=places, seen_at=time.time()))


async def take_leave(session: AsyncSession, worker: str) -> None:
    """Say that a worker takes no more jobs."""
    await session.execute(delete(WorkerProcess).where(WorkerProcess.name == worker))
