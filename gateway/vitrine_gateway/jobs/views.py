"""What callers see of jobs, and the queries for it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import NotFound

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.tables import Job, JobEvent
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.states import ENDED, QUEUED


async def find_job(session: AsyncSession, caller: Caller, job_id: str) -> Job:
    """Return a job of the caller's account; NotFound also for a job of another one."""
    job = await session.get(Job, job_id, populate_existing=True)
    if job is None or job.account_id != caller.account_id:
        raise NotFound(f"there is no job {job_id[:60]!r}")
    return job


async def load_job(gateway: Gateway, caller: Caller, job_id: str) -> Job:
    """Return a job of the caller's account in a transaction of its own; NotFound as in `find_job`."""
    async with gateway.database.reading() as session:
        return await find_job(session, caller, job_id)


async def queue_position(session: AsyncSession, job: Job) -> int | None:
    """Return the job's place among all that wait, 1 for the next one; None if it does not wait."""
    if job.state != QUEUED:
        return None
    before = or_(Job.created_at < job.created_at, and_(Job.created_at == job.created_at, Job.id < job.id))
    return 1 + (await session.scalar(select(func.count()).where(Job.state == QUEUED, before)) or 0)


async def events_after(session: AsyncSession, job_id: str, number: int) -> list[JobEvent]:
    """Return the job's events after this number, in order."""
    found = await session.scalars(
        select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.number > number).order_by(JobEvent.number)
    )
    return list(found)


async def follow(gateway: Gateway, job_id: str, number: int = 0) -> AsyncGenerator[JobEvent | None, None]:
    """Yield the job's events after this number until its end; None whenever there was nothing new."""
    while True:
        async with gateway.database.reading() as session:
            events = await events_after(session, job_id, number)
        for event in events:
            number = event.number
            yield event
            if event.kind in ENDED:
                return
        if not events:
            yield None
        await gateway.bells.wait(job_id, watch_s(gateway))


async def wait_for_end(gateway: Gateway, caller: Caller, job_id: str, seconds: float) -> Job:
    """Return the job when it has ended, or after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        job = await load_job(gateway, caller, job_id)
        left = until - time.monotonic()
        if job.state in ENDED or left <= 0:
            return job
        await gateway.bells.wait(job_id, min(left, watch_s(gateway)))


def watch_s(gateway: Gateway) -> float:
    """Return the pause between two looks at a job that another process may run."""
    return max(gateway.settings.poll_s, 0.5)


async def view_now(gateway: Gateway, job: Job, base: str) -> dict[str, Any]:
    """Return the job as JSON, with its place in the queue and its estimated end."""
    return job_view(gateway, job, base) | await foreseen(gateway, job)


async def foreseen(gateway: Gateway, job: Job) -> dict[str, Any]:
    """Return the job's place in the queue and the estimates of its end and of its step's end, in seconds."""
    async with gateway.database.reading() as session:
        position = await queue_position(session, job)
    return {"queue_position": position, **(await gateway.forecast.estimate(job)).told()}


def job_view(gateway: Gateway, job: Job, base: str) -> dict[str, Any]:
    """Return the job as JSON; `base` is the address of the gateway as the caller sees it."""
    own = f"{base}/v1/jobs/{job.id}"
    return {
        "id": job.id,
        "pipeline": job.pipeline,
        "status": job.state,
        "user": job.user or None,
        "batch_id": job.batch_id,
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "queue_position": None,
        "eta_seconds": None,
        "step_eta_seconds": None,
        "canceling": job.cancel and job.state not in ENDED,
        "progress": job.progress or None,
        "preview": None if job.preview is None else linked(gateway, job.preview, base),
        "tries": job.tries,
        "price": job.price,
        "urls": {
            "self": own,
            "events": f"{own}/events",
            "cancel": f"{own}/cancel",
            "result": f"{own}/result",
        },
        "result": result_view(gateway, job, base),
        "error": job.error,
    }


def result_view(gateway: Gateway, job: Job, base: str) -> dict[str, Any] | None:
    """Return the job's result, with a signed link to its picture if it has one; None without a result."""
    return None if job.result is None else linked(gateway, job.result, base)


def picture_url(gateway: Gateway, job: Job, base: str) -> str | None:
    """Return a signed link to the job's picture; None without one."""
    result = result_view(gateway, job, base) or {}
    return result["image"]["url"] if "image" in result else None


def linked(gateway: Gateway, told: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return what is told of a job, with a signed link to its `image` if it has one."""
    if "image" not in told:
        return dict(told)
    expires = int(time.time()) + gateway.settings.link_s
    link = base + gateway.signer.link(told["image"]["file_id"], expires)
    return {**told, "image": {**told["image"], "url": link, "url_expires_at": iso(expires)}}


def iso(seconds: float | None) -> str | None:
    """Return a time in ISO 8601, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
