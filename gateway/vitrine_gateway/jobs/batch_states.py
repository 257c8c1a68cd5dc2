"""The state of a batch, which follows from the states of its jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from vitrine_gateway.database.tables import Batch, Job
from vitrine_gateway.jobs.state_names import CANCELED, FAILED, QUEUED, RUNNING, SUCCEEDED
from vitrine_gateway.webhooks.outbox import add_delivery

PARTIAL = "partial"  # some jobs have succeeded and some have not


def state_of(states: Iterable[str]) -> str:
    """Return one of STATES or PARTIAL from the jobs' states, at least one."""
    found = set(states)
    if found == {QUEUED}:
        return QUEUED
    if found & {QUEUED, RUNNING}:
        return RUNNING
    if SUCCEEDED in found:
        return SUCCEEDED if len(found) == 1 else PARTIAL
    return FAILED if FAILED in found else CANCELED


async def settle(session: AsyncSession, batch_id: str) -> None:
    """End the batch and queue its webhook if the job that has just ended was its last one.

    The row's lock orders the ends of jobs, so that of two last ones exactly one sees that all have ended.
    """
    batch = await session.get(Batch, batch_id, with_for_update=True, populate_existing=True)
    if batch is None or batch.finished_at is not None:
        return
    states = list(await session.scalars(select(Job.state).where(Job.batch_id == batch_id)))
    state = state_of(states)
    if state in (QUEUED, RUNNING):
        return
    batch.finished_at = time.time()
    if batch.webhook:
        counts = {one: states.count(one) for one in sorted(set(states))}
        data = {"id": batch.id, "pipeline": batch.pipeline, "status": state, "counts": counts}
        add_delivery(session, batch.account_id, batch.webhook, f"batch.{state}", data)
