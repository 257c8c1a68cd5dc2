"""The states of a job and the guarded changes between them.

queued → running → succeeded | failed | canceled. A job goes back from running to queued for another try, and
from queued straight to canceled. Every change names the state, or the lease, that it expects; of two
processes that change a job at the same time one finds nothing to change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    CursorResult,
    Executable,
    Row,
    and_,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from vitrine_gateway.credits import ledger
from vitrine_gateway.database.tables import Job, JobEvent, table_of
from vitrine_gateway.jobs.batch_states import settle
from vitrine_gateway.jobs.state_names import CANCELED, QUEUED, RUNNING, SUCCEEDED
from vitrine_gateway.webhooks.outbox import add_delivery

PREVIEW = "preview"  # an event

# Statements of every job are built once: building one costs more than running it.
_events, _jobs = table_of(JobEvent), table_of(Job)
_ADD_EVENT = insert(_events).values(
    number=select(func.coalesce(func.max(_events.c.number), 0) + 1)
    .where(_events.c.job_id == bindparam("job_id"))
    .scalar_subquery(),
    **{name: bindparam(name) for name in ("job_id", "kind", "data", "at")},
)
_OF_JOB = Job.id == bindparam("of_job")
_IF = {
    "waiting": and_(_OF_JOB, Job.state == QUEUED),
    "running": and_(_OF_JOB, Job.state == RUNNING),
    "leased": and_(_OF_JOB, Job.state == RUNNING, Job.lease == bindparam("under")),
}
_NOTE_PROGRESS = (
    update(_jobs).where(_IF["leased"]).values(progress=bindparam("told"), lease_until=bindparam("until"))
)
_COUNTS = ("tries", "losses")  # what a change gives for these is added to them


async def add_event(session: AsyncSession, job_id: str, kind: str, data: Mapping[str, Any]) -> None:
    """Add the job's next event. The caller's transaction has changed the job's row, which orders writers."""
    await session.execute(_ADD_EVENT, {"job_id": job_id, "kind": kind, "data": dict(data), "at": time.time()})


async def end(
    session: AsyncSession,
    job_id: str,
    state: str,
    *,
    lease: str | None = None,
    result: Mapping[str, Any] | None = None,
    error: Mapping[str, Any] | None = None,
) -> Job | None:
    """End a job: its state, payment, event and webhook together. None if it is not there to be ended.

    With `lease` the job must be running under it; without, it must be queued.
    """
    job = await _change(
        session,
        job_id,
        "waiting" if lease is None else "leased",
        lease,
        state=state,
        finished_at=time.time(),
        lease=None,
        lease_until=None,
        result=None if result is None else dict(result),
        error=None if error is None else dict(error),
    )
    if job is not None:
        await tell_end(session, job, f"the job {state}")
    return job


async def end_all(session: AsyncSession, account_id: str, user: str, why: str) -> list[Job]:
    """Cancel all of a person's jobs that have not ended, whoever runs them, and return them."""
    ended = await session.scalars(
        update(Job)
        .where(Job.account_id == account_id, Job.user == user, Job.state.in_((QUEUED, RUNNING)))
        .values(state=CANCELED, finished_at=time.time(), lease=None, lease_until=None)
        .returning(Job)
        .execution_options(synchronize_session=False)
    )
    jobs = list(ended)
    for job in jobs:
        await tell_end(session, job, why)
    return jobs


async def tell_end(session: AsyncSession, job: Job, why: str) -> None:
    """Write what follows the change of a job's row to its end: payment, event, webhook and the batch's end.

    `why` is the reason of a refund.
    """
    if job.state == SUCCEEDED:
        await ledger.capture(session, job)
    else:
        await ledger.refund(session, job, why)
    await add_event(session, job.id, job.state, {"error": job.error} if job.error else {})
    if job.webhook:
        told = {"id": job.id, "pipeline": job.pipeline, "status": job.state, "error": job.error}
        contract = job.request.get("contract")
        add_delivery(session, job.account_id, job.webhook, f"job.{job.state}", told, contract)
    if job.batch_id:
        await settle(session, job.batch_id)


async def put_back(
    session: AsyncSession,
    job_id: str,
    lease: str,
    *,
    after_s: float,
    error: Mapping[str, Any] | None,
    lost: bool = False,
) -> bool:
    """Let a running job wait for its next try. An `error` counts as a try; None (a clean stop) does not.

    `lost` says that the server was lost with the error: this counts as a loss and not as a try.
    """
    job = await _change(
        session,
        job_id,
        "leased",
        lease,
        state=QUEUED,
        run_after=time.time() + after_s,
        tries=1 if error and not lost else 0,
        losses=1 if lost else 0,
        lease=None,
        lease_until=None,
        progress={},
    )
    if job is None:
        return False
    data = {"error": dict(error), "after_s": after_s} if error else {"after_s": after_s}
    await add_event(session, job_id, "retrying" if error else QUEUED, data)
    return True


async def note_progress(
    session: AsyncSession, job_id: str, lease: str, progress: Mapping[str, Any], lease_s: float
) -> bool:
    """Write how far a running job is, and renew its lease; False if the lease is lost."""
    told = {"of_job": job_id, "under": lease, "told": dict(progress), "until": time.time() + lease_s}
    changed = cast("CursorResult[Any]", await session.execute(_NOTE_PROGRESS, told))
    if not changed.rowcount:
        return False
    await add_event(session, job_id, "progress", progress)
    return True


async def note_preview(session: AsyncSession, job_id: str, lease: str, preview: Mapping[str, Any]) -> bool:
    """Write the newest preview of a running job; False if the lease is lost."""
    if await _change(session, job_id, "leased", lease, preview=dict(preview)) is None:
        return False
    await add_event(session, job_id, PREVIEW, preview)
    return True


async def ask_to_cancel(session: AsyncSession, job_id: str) -> Job | None:
    """Tell the worker of a running job to end it; None if it is not running."""
    return await _change(session, job_id, "running", cancel=True)


async def _change(
    session: AsyncSession, job_id: str, guard: str, under: str | None = None, **values: Any
) -> Job | None:
    """Change the job if it is as the guard says, and return it; see `_IF`. `under` is the lease, if any."""
    told = {f"to_{name}": value for name, value in values.items()}
    told |= {"of_job": job_id} | ({} if under is None else {"under": under})
    changed = await session.execute(_changing(guard, tuple(values)), told)
    return job_of(changed.one_or_none())


@cache
def _changing(guard: str, names: tuple[str, ...]) -> Executable:
    """Return the statement that sets these columns to the parameters `to_NAME` and gives the row."""
    to: dict[str, Any] = {name: bindparam(f"to_{name}", type_=_jobs.c[name].type) for name in names}
    values = {name: _jobs.c[name] + value if name in _COUNTS else value for name, value in to.items()}
    return update(_jobs).where(_IF[guard]).values(values).returning(*_jobs.c)


def job_of(row: Row[Any] | None) -> Job | None:
    """Return the job of a row with every column; None for none."""
    return None if row is None else Job(**row._mapping)
