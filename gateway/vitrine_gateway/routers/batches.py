"""`/v1/batches`: one request, a job for each of its garments or products."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import select

from vitrine_gateway.access import Known, LastingKey, Parts, base_of
from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.tables import Batch, Job
from vitrine_gateway.errors import Conflict
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.batch_events import follow_batch, numbers_of
from vitrine_gateway.jobs.batch_states import state_of
from vitrine_gateway.jobs.batches import find_batch, jobs_of, submit_batch
from vitrine_gateway.jobs.cancelling import cancel
from vitrine_gateway.jobs.state_names import ENDED
from vitrine_gateway.jobs.views import iso, linked, view_now, wait_for_end
from vitrine_gateway.pages import MOST, after, page
from vitrine_gateway.problems import NOTHING_LEFT
from vitrine_gateway.routers.jobs import ALL_TOLD, BODY, headers_of, wait_of
from vitrine_gateway.routers.reading import read_submission

router = APIRouter(prefix="/v1/batches", tags=["batches"])
ETA_STEP = 0.1  # an estimate that differs less from the last one is not told


@router.post("", status_code=202, openapi_extra=BODY)
async def submit_jobs(
    request: Request,
    gateway: Parts,
    caller: Known,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    prefer: Annotated[str | None, Header()] = None,
) -> JSONResponse:
    """Queue a job for each garment (or image), all or none: 202 with links; `Prefer: wait=N` as for a job."""
    caller.needs("jobs")
    wanted = await read_submission(request)
    batch, jobs, replayed = await submit_batch(gateway, caller, wanted, idempotency_key)
    wait_s = wait_of(prefer)
    headers = headers_of(replayed, wait_s)
    if wait_s is not None:
        batch, jobs = await _wait(gateway, caller, batch, jobs, wait_s)
    view = await batch_view(gateway, batch, jobs, base_of(request))
    headers["Location"] = view["urls"]["self"]
    return JSONResponse(view, 200 if batch.finished_at else 202, headers)


@router.get("")
async def list_batches(
    request: Request,
    gateway: Parts,
    caller: Known,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
) -> dict[str, Any]:
    """List the account's batches, the newest first."""
    caller.needs("jobs")
    wanted = [Batch.account_id == caller.account_id, *after(cursor, Batch.created_at, Batch.id)]
    async with gateway.database.reading() as session:
        newest = select(Batch).where(*wanted).order_by(Batch.created_at.desc(), Batch.id.desc())
        rows = list(await session.scalars(newest.limit(limit + 1)))
        jobs = [await jobs_of(session, batch.id) for batch in rows]
    base = base_of(request)
    views = [await batch_view(gateway, *one, base) for one in zip(rows, jobs, strict=True)]
    return page(rows, views, limit)


@router.get("/{batch_id}")
async def get_batch(
    batch_id: str,
    request: Request,
    gateway: Parts,
    caller: Known,
    prefer: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """Return the state of a batch and of each of its jobs; `Prefer: wait=N` waits for its end."""
    caller.needs("jobs")
    found = await find_batch(gateway, caller, batch_id)
    batch, jobs = await _wait(gateway, caller, *found, wait_of(prefer) or 0.0)
    return await batch_view(gateway, batch, jobs, base_of(request))


@router.post("/{batch_id}/cancel")
async def cancel_batch(
    batch_id: str, request: Request, response: Response, gateway: Parts, caller: Known
) -> dict[str, Any]:
    """Cancel every job of the batch that has not ended; 202 while one still runs."""
    caller.needs("jobs")
    _, jobs = await find_batch(gateway, caller, batch_id)
    for job in reversed(jobs):  # the last one first, so that none of them is begun meanwhile
        with suppress(Conflict):  # it has ended
            await cancel(gateway, caller, job.id)
    batch, jobs = await find_batch(gateway, caller, batch_id)
    if batch.finished_at is None:
        response.status_code = 202
    return await batch_view(gateway, batch, jobs, base_of(request))


async def batch_of_caller(
    batch_id: str, gateway: Parts, caller: Known, last_event_id: Annotated[str | None, Header()] = None
) -> Batch:
    """Return the batch, before a stream begins: an error is then an answer of its own, or NOTHING_LEFT."""
    caller.needs("jobs")
    batch, jobs = await find_batch(gateway, caller, batch_id)
    _, end_told = numbers_of(last_event_id, len(jobs))
    if end_told:
        raise HTTPException(NOTHING_LEFT)
    return batch


@router.get("/{batch_id}/events", response_class=EventSourceResponse, responses=ALL_TOLD)
async def batch_events(
    batch_id: str,
    request: Request,
    gateway: Parts,
    caller: Known,
    batch: Annotated[Batch, Depends(batch_of_caller)],
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Stream the events of all jobs of the batch, from the first one or after `Last-Event-ID`, to its end.

    They are those of `/v1/jobs/{id}/events` with `job_id` and `place`, from 0. The last one is `batch.` and
    the batch's state, with the number of jobs in each state. `estimate`, with no id, tells the batch's end.
    A stream whose key is revoked or expires is closed.
    """
    key, told = LastingKey(gateway, caller), None
    async with aclosing(follow_batch(gateway, batch.id, last_event_id)) as events:
        async for one in events:
            if not await key.holds():
                return
            if one is None and await request.is_disconnected():
                return
            if one is not None and one.event is not None:
                data = {"job_id": one.event.job_id, "place": one.place}
                data |= linked(gateway, one.event.data, base_of(request))
                yield ServerSentEvent(id=one.id, event=one.event.kind, data=data)
                continue
            async with gateway.database.reading() as session:
                jobs = await jobs_of(session, batch.id)
            if one is not None:
                state, counts = state_of(job.state for job in jobs), dict(Counter(job.state for job in jobs))
                yield ServerSentEvent(id=one.id, event=f"batch.{state}", data={"counts": counts})
                return
            eta = await _eta(gateway, jobs)
            if eta is not None and (told is None or abs(eta - told) > ETA_STEP * told):
                told = eta
                yield ServerSentEvent(event="estimate", data={"eta_seconds": eta})


async def _eta(gateway: Gateway, jobs: list[Job]) -> float | None:
    """Return the seconds until the last job of a batch ends; None where one is not foreseen."""
    etas = [(await gateway.forecast.estimate(job)).eta_s for job in jobs if job.state not in ENDED]
    known = [eta for eta in etas if eta is not None]
    return round(max(known), 2) if known and len(known) == len(etas) else None


async def batch_view(gateway: Gateway, batch: Batch, jobs: list[Job], base: str) -> dict[str, Any]:
    """Return a batch as JSON; its jobs are in the order of the request."""
    own = f"{base}/v1/batches/{batch.id}"
    views = [await view_now(gateway, job, base) for job in jobs]
    etas = [view["eta_seconds"] for view in views if view["status"] not in ENDED]
    return {
        "id": batch.id,
        "pipeline": batch.pipeline,
        "status": state_of(job.state for job in jobs),
        "user": batch.user or None,
        "created_at": iso(batch.created_at),
        "finished_at": iso(batch.finished_at),
        "eta_seconds": max(etas) if etas and None not in etas else None,
        "price": sum(job.price for job in jobs),
        "counts": dict(Counter(job.state for job in jobs)),
        "jobs": views,
        "urls": {"self": own, "events": f"{own}/events", "cancel": f"{own}/cancel"},
    }


async def _wait(
    gateway: Gateway, caller: Caller, batch: Batch, jobs: list[Job], seconds: float
) -> tuple[Batch, list[Job]]:
    until = time.monotonic() + seconds
    for job in jobs:
        if seconds and job.state not in ENDED:
            await wait_for_end(gateway, caller, job.id, until - time.monotonic())
    return await find_batch(gateway, caller, batch.id) if seconds else (batch, jobs)
