"""A user's history: their results, the newest first. Hiding leaves the picture where it is."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import NotFound

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.tables import Job
from vitrine_gateway.jobs.state_names import SUCCEEDED
from vitrine_gateway.pages import after


def _of_user(caller: Caller, user: str) -> list[ColumnElement[bool]]:
    return [Job.account_id == caller.account_id, Job.user == user, Job.state == SUCCEEDED]


async def entries(
    session: AsyncSession, caller: Caller, user: str, *, cursor: str | None, limit: int, hidden: bool = False
) -> list[Job]:
    """Return up to `limit` + 1 results of a user after the cursor; `hidden` includes hidden ones."""
    wanted = [*_of_user(caller, user), *after(cursor, Job.created_at, Job.id)]
    if not hidden:
        wanted.append(Job.hidden.is_(False))
    newest = select(Job).where(*wanted).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit + 1)
    return list(await session.scalars(newest))


async def unseen(session: AsyncSession, caller: Caller, user: str) -> int:
    """Return the number of visible results that the user has not seen."""
    waiting = [Job.hidden.is_(False), Job.seen.is_(False)]
    return await session.scalar(select(func.count()).where(*_of_user(caller, user), *waiting)) or 0


async def change(
    session: AsyncSession,
    caller: Caller,
    user: str,
    job_id: str,
    *,
    hidden: bool | None = None,
    seen: bool | None = None,
) -> Job:
    """Hide, show or mark one result. Raises NotFound, also for a result of another user or account."""
    values = {name: value for name, value in (("hidden", hidden), ("seen", seen)) if value is not None}
    own = [*_of_user(caller, user), Job.id == job_id]
    found = await session.scalars(
        update(Job).where(*own).values(**values).returning(Job) if values else select(Job).where(*own)
    )
    job = found.one_or_none()
    if job is None:
        raise NotFound(f"there is no result {job_id[:60]!r} of this user")
    return job


async def mark_all_seen(session: AsyncSession, caller: Caller, user: str) -> int:
    """Mark every result of a user as seen; return how many were not."""
    changed = await session.execute(
        update(Job).where(*_of_user(caller, user), Job.seen.is_(False)).values(seen=True).returning(Job.id)
    )
    return len(changed.all())
