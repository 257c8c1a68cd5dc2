"""`/v1/users/{user}/history`: the results of one user of the account."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StrictBool

from vitrine_gateway import history
from vitrine_gateway.access import Known, Parts, base_of
from vitrine_gateway.database.tables import Job
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.views import iso, result_view
from vitrine_gateway.pages import MOST, page
from vitrine_gateway.routers.names import USER

router = APIRouter(prefix=f"/v1/users/{USER}/history", tags=["history"])


class Change(BaseModel):
    """What to change of one result."""

    model_config = ConfigDict(extra="forbid")

    hidden: StrictBool | None = None
    seen: StrictBool | None = None


@router.get("")
async def list_history(
    user: str,
    request: Request,
    gateway: Parts,
    caller: Known,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
    hidden: bool = False,
) -> dict[str, Any]:
    """List the user's results, the newest first; `hidden` includes hidden ones."""
    caller.needs("jobs")
    async with gateway.database.reading() as session:
        rows = await history.entries(session, caller, user, cursor=cursor, limit=limit, hidden=hidden)
        unseen = await history.unseen(session, caller, user)
    views = [entry_view(gateway, job, request) for job in rows]
    return {**page(rows, views, limit), "unseen": unseen}


@router.post("/seen")
async def mark_all_seen(user: str, gateway: Parts, caller: Known) -> dict[str, int]:
    """Mark all results as seen."""
    caller.needs("jobs")
    async with gateway.database.writing() as session:
        return {"marked": await history.mark_all_seen(session, caller, user)}


@router.patch("/{job_id}")
async def change_entry(
    user: str, job_id: str, change: Change, request: Request, gateway: Parts, caller: Known
) -> dict[str, Any]:
    """Hide or show a result, or mark it as seen."""
    caller.needs("jobs")
    async with gateway.database.writing() as session:
        job = await history.change(session, caller, user, job_id, hidden=change.hidden, seen=change.seen)
    return entry_view(gateway, job, request)


def entry_view(gateway: Gateway, job: Job, request: Request) -> dict[str, Any]:
    """Return a result of the history as JSON."""
    return {
        "id": job.id,
        "pipeline": job.pipeline,
        "created_at": iso(job.created_at),
        "hidden": job.hidden,
        "seen": job.seen,
        "result": result_view(gateway, job, base_of(request)),
    }
