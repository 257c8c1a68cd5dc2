"""`/v1/jobs`: submit, state, result, cancel and events of every pipeline in one form."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import select

from vitrine_gateway.access import Known, LastingKey, Parts, base_of
from vitrine_gateway.database.tables import Job
from vitrine_gateway.errors import Conflict
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.cancelling import cancel
from vitrine_gateway.jobs.state_names import ENDED, QUEUED, State
from vitrine_gateway.jobs.submitting import submit
from vitrine_gateway.jobs.views import (
    follow,
    foreseen_of,
    job_view,
    last_event,
    linked,
    load_job,
    result_view,
    view_now,
    wait_for_end,
    watch_to_end,
)
from vitrine_gateway.pages import MOST, after, page
from vitrine_gateway.problems import NOTHING_LEFT
from vitrine_gateway.routers.reading import JobRequest, read_submission

LONGEST_WAIT_S = 60.0
_WAIT = re.compile(r"""(?:^|[\s,;])wait\s*=\s*("?)(\d{1,18})\1(?:$|[\s,;])""", re.IGNORECASE)  # RFC 7240
_NUMBER = re.compile(r"\d{1,9}")  # of an event
ALL_TOLD: dict[int | str, dict[str, Any]] = {NOTHING_LEFT: {"description": "All events were told before"}}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": JobRequest.model_json_schema()},
            "multipart/form-data": {"schema": {"type": "object"}},
        },
    }
}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.post("", status_code=202, openapi_extra=BODY)
async def submit_job(
    request: Request,
    gateway: Parts,
    caller: Known,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    prefer: Annotated[str | None, Header()] = None,
) -> JSONResponse:
    """Queue a job: 202 with its links; 200 if it ends within N seconds of `Prefer: wait=N` (60 at most)."""
    caller.needs("jobs")
    job, replayed = await submit(gateway, caller, await read_submission(request), idempotency_key)
    wait_s = wait_of(prefer)
    headers = headers_of(replayed, wait_s)
    if wait_s is not None:
        job = await wait_for_end(gateway, caller, job.id, wait_s)
    view = await seen(gateway, job, request)
    headers["Location"] = view["urls"]["self"]
    return JSONResponse(view, 200 if job.state in ENDED else 202, headers)


@router.get("")
async def list_jobs(
    request: Request,
    gateway: Parts,
    caller: Known,
    user: str | None = None,
    status: State | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
) -> dict[str, Any]:
    """List the account's jobs, the newest first."""
    caller.needs("jobs")
    wanted = [Job.account_id == caller.account_id, *after(cursor, Job.created_at, Job.id)]
    wanted += [Job.user == user] if user is not None else []
    wanted += [Job.state == status] if status is not None else []
    async with gateway.database.reading() as session:
        newest = select(Job).where(*wanted).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit + 1)
        rows = list(await session.scalars(newest))
    return page(rows, [job_view(gateway, job, base_of(request)) for job in rows], limit)


@router.get("/{job_id}")
async def get_job(
    job_id: str,
    request: Request,
    gateway: Parts,
    caller: Known,
    prefer: Annotated[str | None, Header()] = None,
) -> JSONResponse:
    """Return the state of a job; `Prefer: wait=N` waits for its end."""
    caller.needs("jobs")
    found = await watch_to_end(gateway, caller, job_id, wait_of(prefer) or 0.0)
    told = job_view(gateway, found.job, base_of(request)) | await foreseen_of(gateway, found)
    return JSONResponse(told)


@router.get("/{job_id}/result")
async def get_result(job_id: str, request: Request, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Return the result of a job that succeeded; 409 for another one."""
    caller.needs("jobs")
    job = await load_job(gateway, caller, job_id)
    result = result_view(gateway, job, base_of(request))
    if result is None:
        raise Conflict(f"the job is {job.state}: only a job that succeeded has a result")
    return result


@router.post("/{job_id}/cancel")
async def cancel_job(
    job_id: str, request: Request, response: Response, gateway: Parts, caller: Known
) -> dict[str, Any]:
    """Cancel a job. A waiting one ends at once; a running one (202) before the denoiser's next step."""
    caller.needs("jobs")
    job = await cancel(gateway, caller, job_id)
    if job.state not in ENDED:
        response.status_code = 202
    return await seen(gateway, job, request)


async def told_before(
    job_id: str, gateway: Parts, caller: Known, last_event_id: Annotated[str | None, Header()] = None
) -> int:
    """Return the number of the last event that was told; a number above it counts as the job's last one.

    It is found before a stream begins: an error is then an answer of its own, and so is NOTHING_LEFT.
    """
    caller.needs("jobs")
    job = await load_job(gateway, caller, job_id)
    if not _NUMBER.fullmatch(last_event_id or ""):
        return 0
    last = await last_event(gateway, job_id)
    if job.state in ENDED and int(last_event_id or "") >= last:
        raise HTTPException(NOTHING_LEFT)
    return min(int(last_event_id or ""), last)


@router.get("/{job_id}/events", response_class=EventSourceResponse, responses=ALL_TOLD)
async def job_events(
    job_id: str,
    request: Request,
    gateway: Parts,
    caller: Known,
    number: Annotated[int, Depends(told_before)],
) -> AsyncIterator[ServerSentEvent]:
    """Stream the job's events from the first one, or after `Last-Event-ID`, until the job has ended.

    While the job waits, `estimate` tells its place and its end whenever the place changes; these have no id.
    A stream whose key is revoked or expires is closed.
    """
    key, told = LastingKey(gateway, caller), None
    async with aclosing(follow(gateway, job_id, number)) as events:
        async for event in events:
            if not await key.holds():
                return
            if event is not None:
                data = linked(gateway, event.data, base_of(request))
                yield ServerSentEvent(id=str(event.number), event=event.kind, data=data)
                if event.kind not in (QUEUED, "retrying"):
                    continue
            elif await request.is_disconnected():
                return
            found = await gateway.watching.jobs.get(job_id)
            if found is None:
                return  # the person was erased
            if found.position is not None and found.position != told:
                told = found.position
                yield ServerSentEvent(event="estimate", data=await foreseen_of(gateway, found))


async def seen(gateway: Gateway, job: Job, request: Request) -> dict[str, Any]:
    """Return the job as JSON, with its place in the queue."""
    return await view_now(gateway, job, base_of(request))


def headers_of(replayed: bool, wait_s: float | None) -> dict[str, str]:
    """Return what an answer to a submission tells in headers: whether it is a repeated one, and the wait."""
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return headers if wait_s is None else {**headers, "Preference-Applied": f"wait={wait_s:g}"}


def wait_of(prefer: str | None) -> float | None:
    """Return the seconds of `Prefer: wait=N`, LONGEST_WAIT_S at most; None without one."""
    found = _WAIT.search(prefer or "")
    return min(float(found[2]), LONGEST_WAIT_S) if found else None
