"""Checks what must hold in a gateway's database and store, whatever was killed and when.

It may be called while jobs run: each rule holds at every moment that a transaction can show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import NotFound

from vitrine_gateway.credits import ledger
from vitrine_gateway.database.tables import Batch, Delivery, File, Job, JobEvent, LedgerRow
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.state_names import CANCELED, ENDED, FAILED, SUCCEEDED

PAID = {SUCCEEDED: {"hold", "capture"}, FAILED: {"hold", "refund"}, CANCELED: {"hold", "refund"}}
"""The rows of the ledger of a job that has ended; one that has not has its hold alone."""


async def unsound(gateway: Gateway) -> list[str]:
    """Return what is wrong; an empty list for a sound gateway. Every kept result is read."""
    async with gateway.database.reading() as session:
        jobs = list(await session.scalars(select(Job)))
        wrong = await ledger.unbalanced(session)
        wrong += await _payments(session, jobs)
        wrong += await _events(session, jobs)
        wrong += await _messages(session, jobs)
        wrong += await _batches(session, jobs)
        files = {file.id: file for file in await session.scalars(select(File))}
    return wrong + await _pictures(gateway, jobs, files)


async def _payments(session: AsyncSession, jobs: Iterable[Job]) -> list[str]:
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for job_id, kind in await session.execute(select(LedgerRow.job_id, LedgerRow.kind)):
        kinds[job_id or ""].append(kind)
    wrong = []
    for job in jobs:
        wanted = sorted(PAID.get(job.state, {"hold"}))
        if sorted(kinds[job.id]) != wanted:
            wrong.append(f"job {job.id} is {job.state} and has the payments {sorted(kinds[job.id])}")
    return wrong


async def _events(session: AsyncSession, jobs: Iterable[Job]) -> list[str]:
    told: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    rows = await session.execute(select(JobEvent.job_id, JobEvent.number, JobEvent.kind))
    for job_id, number, kind in rows:
        told[job_id].append((number, kind))
    wrong = []
    for job in jobs:
        events = sorted(told[job.id])
        if [number for number, _ in events] != list(range(1, len(events) + 1)):
            wrong.append(f"job {job.id} has gaps in its events")
        ends = [kind for _, kind in events if kind in ENDED]
        if ends != ([job.state] if job.state in ENDED else []):
            wrong.append(f"job {job.id} is {job.state} and its events tell the ends {ends}")
    return wrong


async def _messages(session: AsyncSession, jobs: Iterable[Job]) -> list[str]:
    counts: defaultdict[str, int] = defaultdict(int)
    for about in await session.scalars(select(Delivery.job_id)):
        counts[about] += 1
    wrong = []
    for job in jobs:
        wanted = 1 if job.webhook and job.state in ENDED else 0
        if counts[job.id] != wanted:
            wrong.append(f"job {job.id} is {job.state} and has {counts[job.id]} messages, not {wanted}")
    return wrong


async def _batches(session: AsyncSession, jobs: Iterable[Job]) -> list[str]:
    open_batches = {job.batch_id for job in jobs if job.batch_id and job.state not in ENDED}
    wrong = []
    for batch in await session.scalars(select(Batch)):
        if (batch.finished_at is None) != (batch.id in open_batches):
            wrong.append(f"batch {batch.id} does not know whether it has ended")
    return wrong


async def _pictures(gateway: Gateway, jobs: Iterable[Job], files: dict[str, File]) -> list[str]:
    wrong, owners = [], defaultdict(list)
    for job in jobs:
        image = (job.result or {}).get("image")
        if image:
            owners[image["file_id"]].append(job.id)
        if (job.result is not None) != (job.state == SUCCEEDED):
            wrong.append(f"job {job.id} is {job.state} and has {'a' if job.result else 'no'} result")
    wrong += [f"jobs {several} share a result" for several in owners.values() if len(several) > 1]
    for file_id, file in files.items():
        if file.kind == "result" and file_id not in owners:
            wrong.append(f"the result {file_id} belongs to no job")
    for file_id in owners.keys() & files.keys():  # others have expired
        try:
            content = await gateway.pictures.get(files[file_id].path)
        except NotFound:
            wrong.append(f"the result {file_id} has a row and no bytes")
            continue
        if len(content) != files[file_id].size:
            wrong.append(f"the result {file_id} has {len(content)} bytes, its row says {files[file_id].size}")
    return wrong
