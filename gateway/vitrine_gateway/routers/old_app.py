"""CloszIT's app: the routes that its browser calls today.

The person and the garments are named by id; the Vitrine server finds their data in its object store, where
the old service's data can be imported. The user's id comes in `X-User-ID` or as `userId`. Routes that start
from a post of the feed need the app's own tables and are not served.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from vitrine.errors import BadRequest

from vitrine_gateway import history
from vitrine_gateway.access import OldKnown, Parts, base_of
from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.credits.prices import price_named
from vitrine_gateway.database.tables import Job
from vitrine_gateway.errors import NotServedYet
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.batches import submit_batch
from vitrine_gateway.jobs.fields import WHOLE, Category, Name, OldBody
from vitrine_gateway.jobs.pipelines import MAX_GARMENTS
from vitrine_gateway.jobs.state_names import CANCELED, FAILED, QUEUED, RUNNING, SUCCEEDED
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import iso, load_job, picture_url
from vitrine_gateway.openapi import NOT_SERVED
from vitrine_gateway.pages import MOST, page

STATES = {  # of a job: the queue's word, which the browser polls
    QUEUED: "waiting",
    RUNNING: "active",
    SUCCEEDED: "completed",
    FAILED: "failed",
    CANCELED: "failed",
}

router = APIRouter(tags=["CloszIT's app"])


class _Common(OldBody):
    userId: Name | None = None
    denoiseSteps: Annotated[int, Field(ge=1, le=100), WHOLE] = 10
    seed: Annotated[int, Field(ge=0, lt=2**64), WHOLE] = 42
    category: Category | None = None


class Single(_Common):
    """One garment."""

    clothingId: Name


class Several(_Common):
    """Several garments."""

    clothingIds: Annotated[list[Name], Field(min_length=1, max_length=MAX_GARMENTS)]


@router.post("/api/fitting/single-item-tryon", status_code=201)
@router.post("/api/fitting/single-item-tryon-v2", status_code=201)
async def single(body: Single, request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Queue a try-on of one garment."""
    job = await _submit(gateway, caller, request, body, [body.clothingId], "single")
    return {"jobId": job.id, "status": "queued"}


@router.post("/api/fitting/partial-try-on-by-ids", status_code=201)
async def partial(body: Several, request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Queue one try-on of all garments together."""
    job = await _submit(gateway, caller, request, body, body.clothingIds, "partial")
    return {"jobId": job.id, "status": "queued"}


@router.post("/api/fitting/batch-tryon", status_code=201)
async def batch(body: Several, request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Queue a try-on of each garment, all or none; each is a job that ends by itself."""
    wanted = _wanted(request, body, body.clothingIds, "single")
    made, jobs, _ = await submit_batch(gateway, caller, wanted)
    each = zip(body.clothingIds, jobs, strict=True)
    queued = [{"clothingId": name, "jobId": job.id, "status": "queued"} for name, job in each]
    return {"batchId": made.id, "jobs": queued}


@router.post("/api/fitting/sns-full-try-on", tags=[NOT_SERVED])
@router.post("/api/fitting/sns-virtual-try-on", tags=[NOT_SERVED])
async def of_a_post(caller: OldKnown) -> None:
    """Answer that try-ons of a post are not served."""
    raise NotServedYet("a try-on of a post needs the app's own tables: send the garments' ids instead")


@router.get("/queue/job/vto/{job_id}")
@router.get("/api/queue/job/vto/{job_id}")
async def state(job_id: str, request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Return the state of a job in the queue's words."""
    job = await load_job(gateway, caller, job_id)
    return {
        "jobId": job.id,
        "state": STATES[job.state],
        "progress": 100 if job.state == SUCCEEDED else job.progress.get("percent", 10 + 10 * job.tries),
        "result": _result(gateway, job, request),
        "failedReason": job.error["detail"] if job.error else job.state if job.state == CANCELED else None,
    }


@router.get("/api/fitting/vto-history")
async def vto_history(
    request: Request,
    gateway: Parts,
    caller: OldKnown,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> dict[str, Any]:
    """List the user's visible results, the newest first."""
    user = user_of(request, None)
    async with gateway.database.reading() as session:
        rows = await history.entries(session, caller, user, cursor=cursor, limit=limit)
    views = [
        {
            "id": job.id,
            "clothingIds": job.request["garment_ids"],
            "s3Url": (_result(gateway, job, request) or {}).get("imageUrl"),
            "isVisible": not job.hidden,
            "seen": job.seen,
            "createdAt": iso(job.created_at),
        }
        for job in rows
    ]
    return page(rows, views, limit)


@router.patch("/api/fitting/vto/mark-all-seen")
async def mark_all_seen(request: Request, gateway: Parts, caller: OldKnown) -> dict[str, int]:
    """Mark all results of the user as seen."""
    async with gateway.database.writing() as session:
        return {"count": await history.mark_all_seen(session, caller, user_of(request, None))}


@router.patch("/api/fitting/vto/{job_id}/hide")
async def hide(job_id: str, request: Request, gateway: Parts, caller: OldKnown) -> dict[str, bool]:
    """Hide one result of the user."""
    async with gateway.database.writing() as session:
        await history.change(session, caller, user_of(request, None), job_id, hidden=True)
    return {"success": True}


def user_of(request: Request, named: str | None) -> str:
    """Return the user that the request is about; BadRequest if it names none."""
    user = _utf8(request.headers.get("x-user-id", "")) or request.query_params.get("userId") or named
    if not user:
        raise BadRequest("name the user: the header X-User-ID, or userId")
    return user


def _utf8(header: str) -> str:
    """Return a header that came as UTF-8; the framework has read its bytes as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


async def _submit(
    gateway: Gateway, caller: Caller, request: Request, body: _Common, garments: list[str], size: str
) -> Job:
    job, _ = await submit(gateway, caller, _wanted(request, body, garments, size))
    return job


def _wanted(request: Request, body: _Common, garments: list[str], size: str) -> Submission:
    user = user_of(request, body.userId)
    options: dict[str, Any] = {"steps": body.denoiseSteps, "seed": body.seed}
    if body.category:
        options["category"] = [body.category] * len(garments)
    price = price_named("try_on", size).credits
    return Submission("try_on", user, options, person_id=user, garment_ids=tuple(garments), price=price)


def _result(gateway: Gateway, job: Job, request: Request) -> dict[str, Any] | None:
    url = picture_url(gateway, job, base_of(request))
    seed = (job.result or {}).get("seed")
    return None if url is None else {"success": True, "imageUrl": url, "seed": seed}
