"""The ad server: state and end of a job, in its own words and errors. Ads themselves are not served yet."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from vitrine.errors import NotFound

from vitrine_gateway.access import OldKnown, Parts
from vitrine_gateway.errors import Conflict
from vitrine_gateway.jobs.states import CANCELED, FAILED, QUEUED, RUNNING, SUCCEEDED
from vitrine_gateway.jobs.views import iso, load_job, result_view
from vitrine_gateway.routers.jobs import base_of, cancel

STATES = {
    QUEUED: "pending",
    RUNNING: "running",
    SUCCEEDED: "completed",
    FAILED: "error",
    CANCELED: "error",
}
CODES = {"not_a_picture": "INVALID_IMAGE", "too_large": "INVALID_IMAGE", "bad_request": "INVALID_PROMPT"}

router = APIRouter(tags=["ad server"])


@router.post("/generate")
async def generate(caller: OldKnown) -> JSONResponse:
    """Answer that ads are not served yet."""
    return _error(501, "NOT_SERVED_YET", "this gateway makes no advertising pictures yet")


@router.get("/fonts")
@router.post("/clip-score")
async def not_yet(caller: OldKnown) -> JSONResponse:
    """Answer that fonts and scores are not served yet."""
    return _error(501, "NOT_SERVED_YET", "fonts and scores belong to advertising pictures, which come later")


@router.get("/status/{job_id}")
async def status(job_id: str, request: Request, gateway: Parts, caller: OldKnown) -> Any:
    """Return the state of any job of the account."""
    try:
        job = await load_job(gateway, caller, job_id)
    except NotFound as error:
        return _error(404, "JOB_NOT_FOUND", str(error))
    result = result_view(gateway, job, base_of(request))
    begun, ended = job.started_at, job.finished_at or time.time()
    estimate = await gateway.forecast.estimate(job)
    return {
        "job_id": job.id,
        "status": STATES[job.state],
        "progress_percent": 100 if job.state == SUCCEEDED else job.progress.get("percent", 0),
        "current_step": job.pipeline,
        "sub_step": "denoise" if job.progress else None,
        "message": job.error["detail"] if job.error else job.state,
        "elapsed_sec": round(ended - begun, 2) if begun else 0.0,
        **estimate.told(),
        "parameters": job.request["options"],
        "step1_result": None,
        "final_result": result["image"]["url"] if result else None,
        "error": _body(CODES.get(job.error["code"], "INTERNAL"), job.error["detail"]) if job.error else None,
    }


@router.post("/stop/{job_id}")
async def stop(job_id: str, gateway: Parts, caller: OldKnown) -> Any:
    """Cancel a job."""
    try:
        job = await cancel(gateway, caller, job_id)
    except NotFound as error:
        return _error(404, "JOB_NOT_FOUND", str(error))
    except Conflict as error:
        return _error(409, "JOB_ENDED", str(error))
    return {"job_id": job.id, "status": "stopped" if job.state == CANCELED else "stopping"}


def _error(http_status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": _body(code, message)}, http_status)


def _body(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "details": None, "timestamp": iso(time.time())}
