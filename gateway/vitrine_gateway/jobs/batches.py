"""Batches: one request, a job for each of its garments or products.

A batch's jobs are queued together or not at all, each with a hold on credits of its own. From then on they
are jobs like any other: each succeeds, fails or is canceled by itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import BadRequest, NotFound

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.tables import Batch, Job, new_id
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.pipelines import PIPELINES, Pipeline
from vitrine_gateway.jobs.submitting import Submission, check_webhook, pipeline_of, submit_all

MAX_BATCH = 32


async def submit_batch(
    gateway: Gateway, caller: Caller, wanted: Submission, key: str | None = None
) -> tuple[Batch, list[Job], bool]:
    """Queue a job for each garment or product; the flag says that an equal request did so before.

    Raises BadRequest for a pipeline without batches, for none or too many, and what `submit` raises.
    """
    several = split(wanted)
    await check_webhook(gateway, wanted.webhook)
    return await submit_together(gateway, caller, several, key, wanted.webhook)


async def submit_together(
    gateway: Gateway,
    caller: Caller,
    several: Sequence[Submission],
    key: str | None = None,
    webhook: str | None = None,
) -> tuple[Batch, list[Job], bool]:
    """Queue jobs of one user and one pipeline as a batch, as `submit_batch` does."""
    batch = Batch(
        id=new_id("batch"),
        account_id=caller.account_id,
        user=several[0].user,
        pipeline=several[0].pipeline,
        created_at=time.time(),
        webhook=webhook,
    )
    jobs, replayed = await submit_all(gateway, caller, several, key, batch)
    if replayed:
        batch, jobs = await find_batch(gateway, caller, jobs[0].batch_id or "")
    return batch, jobs, replayed


def split(wanted: Submission) -> list[Submission]:
    """Return the request of each job. Lists of options and masks are one for each of them."""
    pipeline = pipeline_of(wanted.pipeline)
    if pipeline.each is None:
        served = ", ".join(name for name, row in PIPELINES.items() if row.each)
        raise BadRequest(f"batches are served of {served}, got {wanted.pipeline!r}")
    ids = wanted.garment_ids if pipeline.each == "garment" else ()
    count = max(len(wanted.pictures.get(pipeline.each, ())), len(ids))
    if not 1 <= count <= MAX_BATCH:
        raise BadRequest(f"{pipeline.each} must be 1 to {MAX_BATCH}, one for each job, got {count}")
    return [
        replace(
            wanted,
            pictures={
                name: _of(pipeline, name, several, place, count) for name, several in wanted.pictures.items()
            },
            options={
                name: _option(pipeline, name, value, place, count) for name, value in wanted.options.items()
            },
            garment_ids=(ids[place],) if ids else (),
            webhook=None,  # the batch's own tells of its end
        )
        for place in range(count)
    ]


def _of(pipeline: Pipeline, name: str, several: Sequence[Any], place: int, count: int) -> Sequence[Any]:
    if name != pipeline.each and name not in pipeline.of_each:
        return several
    if len(several) != count:
        raise BadRequest(f"{name} must be one for each {pipeline.each}: {count}, got {len(several)}")
    return [several[place]]


def _option(pipeline: Pipeline, name: str, value: Any, place: int, count: int) -> Any:
    if name not in pipeline.of_each or not isinstance(value, list):
        return value
    return _of(pipeline, name, value, place, count)[0]


async def find_batch(gateway: Gateway, caller: Caller, batch_id: str) -> tuple[Batch, list[Job]]:
    """Return a batch of the caller's account and its jobs in order; NotFound also for another one's."""
    async with gateway.database.reading() as session:
        batch = await session.get(Batch, batch_id)
        if batch is None or batch.account_id != caller.account_id:
            raise NotFound(f"there is no batch {batch_id[:60]!r}")
        return batch, await jobs_of(session, batch_id)


async def jobs_of(session: AsyncSession, batch_id: str) -> list[Job]:
    """Return the jobs of a batch in the order of its request."""
    found = await session.scalars(select(Job).where(Job.batch_id == batch_id).order_by(Job.batch_place))
    return list(found)
