"""What callers see of jobs, and the queries for it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import NotFound

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.bells import end_of
from vitrine_gateway.database.tables import Job, JobEvent
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.state_names import ENDED, QUEUED
from vitrine_gateway.jobs.watching import Event, Watched

OWN = ("sources",)
"""Facts of a result that stay here: what the server had kept can be another account's."""


async def find_job(session: AsyncSession, caller: Caller, job_id: str) -> Job:
    """Return a job of the caller's account; NotFound also for a job of another one."""
    job = await session.get(Job, job_id, populate_existing=True)
    if job is None or job.account_id != caller.account_id:
        raise NotFound(f"there is no job {job_id[:60]!r}")
    return job


async def load_job(gateway: Gateway, caller: Caller, job_id: str) -> Job:
    """Return a job of the caller's account in a transaction of its own; NotFound as in `find_job`."""
    return (await watch_job(gateway, caller, job_id)).job


async def watch_job(gateway: Gateway, caller: Caller, job_id: str) -> Watched:
    """Return a job of the caller's account with its place; NotFound as in `find_job`."""
    found = await gateway.watching.jobs.get(job_id)
    if found is None or found.job.account_id != caller.account_id:
        raise NotFound(f"there is no job {job_id[:60]!r}")
    return found


async def follow(gateway: Gateway, job_id: str, number: int = 0) -> AsyncGenerator[Event | None, None]:
    """Yield the job's events after this number until its end; None whenever there was nothing new.

    It ends too where a job has ended, or was erased, and no event is left that tells so.
    """
    ended = False
    while True:
        with gateway.bells.listening(job_id) as bell:
            events = await gateway.watching.events.get((job_id, number)) or []
            for event in events:
                number = event.number
                yield event
                if event.kind in ENDED:
                    return
            if not events:
                if ended:
                    return
                found = await gateway.watching.jobs.get(job_id)
                ended = found is None or found.job.state in ENDED
                yield None
            if not ended:  # else its last event may have come after the look at events
                await bell.wait(watch_s(gateway))


async def last_event(gateway: Gateway, job_id: str) -> int:
    """Return the number of the job's last event, 0 without one."""
    newest = select(func.max(JobEvent.number)).where(JobEvent.job_id == job_id)
    async with gateway.database.reading() as session:
        return await session.scalar(newest) or 0


async def wait_for_end(gateway: Gateway, caller: Caller, job_id: str, seconds: float) -> Job:
    """Return the job when it has ended, or after `seconds`."""
    return (await watch_to_end(gateway, caller, job_id, seconds)).job


async def watch_to_end(gateway: Gateway, caller: Caller, job_id: str, seconds: float) -> Watched:
    """Return the job with its place when it has ended, or after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        with gateway.bells.listening(end_of(job_id)) as bell:
            found = await watch_job(gateway, caller, job_id)
            left = until - time.monotonic()
            if found.job.state in ENDED or left <= 0:
                return found
            await bell.wait(min(left, watch_s(gateway)))


def watch_s(gateway: Gateway) -> float:
    """Return the pause between two looks at a job that another process may run."""
    return max(gateway.settings.poll_s, 0.5)


async def view_now(gateway: Gateway, job: Job, base: str) -> dict[str, Any]:
    """Return the job as JSON, with its place in the queue and its estimated end."""
    return job_view(gateway, job, base) | await foreseen(gateway, job)


async def foreseen(gateway: Gateway, job: Job) -> dict[str, Any]:
    """Return the job's place in the queue and the estimates of its end and of its step's end, in seconds."""
    found = await gateway.watching.now(job.id) if job.state == QUEUED else None
    return await foreseen_of(gateway, Watched(job, found.position if found else None))


async def foreseen_of(gateway: Gateway, watched: Watched) -> dict[str, Any]:
    """Return what `foreseen` does of a job whose place is known."""
    estimate = await gateway.forecast.estimate(watched.job)
    return {"queue_position": watched.position, **estimate.told()}


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
    if job.result is None:
        return None
    told = {name: value for name, value in job.result.items() if name not in OWN}
    return linked(gateway, told, base)


def picture_url(gateway: Gateway, job: Job, base: str) -> str | None:
    """Return a signed link to the job's picture; None without one."""
    result = result_view(gateway, job, base) or {}
    return result["image"]["url"] if "image" in result else None


def linked(gateway: Gateway, told: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return what is told of a job or a garment, with a signed link to its `image` if it has one."""
    if "image" not in told:
        return dict(told)
    expires = int(time.time()) + gateway.settings.link_s
    link = base + gateway.signer.link(told["image"]["file_id"], expires)
    return {**told, "image": {**told["image"], "url": link, "url_expires_at": iso(expires)}}


def iso(seconds: float | None) -> str | None:
    """Return a time in ISO 8601, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
