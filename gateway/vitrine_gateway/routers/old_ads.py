"""The ad server: ads, their states and ends, fonts and scores, in its own words and errors."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from vitrine.errors import NotFound, VitrineError

from vitrine_gateway.access import OldKnown, Parts
from vitrine_gateway.errors import Conflict, first_fault, kind_of
from vitrine_gateway.interpretations import first_score
from vitrine_gateway.jobs.cancelling import cancel
from vitrine_gateway.jobs.fields import Prompt
from vitrine_gateway.jobs.state_names import CANCELED, FAILED, QUEUED, RUNNING, SUCCEEDED
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import iso, linked, load_job, picture_url, wait_for_end
from vitrine_gateway.problems import retry_after
from vitrine_gateway.routers.jobs import base_of
from vitrine_gateway.routers.old_ad_requests import Generate, WrongPicture, read_picture, submission_of
from vitrine_gateway.routers.reading import read_json

STATES = {
    QUEUED: "pending",
    RUNNING: "running",
    SUCCEEDED: "completed",
    FAILED: "error",
    CANCELED: "error",
}
SCORE_WAIT_S, FONTS_TIMEOUT_S = 60.0, 5.0
PICTURES = ("image", "product_image", "input_image", "step1_image", "step1_result")
CODES = {  # of a problem: the ad server's own code
    "content_rejected": "INVALID_IMAGE",
    "not_a_picture": "INVALID_IMAGE",
    "too_large": "INVALID_IMAGE",
    "bad_request": "INVALID_PROMPT",
}
STATUSES = {  # of its own codes; those that it lacked are told with our status
    "INVALID_IMAGE": 400,
    "INVALID_PROMPT": 400,
    "GPU_OUT_OF_MEMORY": 500,
    "MODEL_LOAD_ERROR": 500,
}

router = APIRouter(tags=["ad server"])


@router.post("/generate")
async def generate(request: Request, gateway: Parts, caller: OldKnown) -> Any:
    """Start an advertisement, or set text on a finished picture (`start_step` 2)."""
    try:
        body = Generate.model_validate(await read_json(request))
        job, _ = await submit(gateway, caller, submission_of(body))
    except (ValidationError, VitrineError) as error:
        return _refused(error, PICTURES)
    return {"job_id": job.id, "status": STATES[job.state]}


@router.get("/fonts")
async def fonts(gateway: Parts, caller: OldKnown) -> Any:
    """Return the families that `font_name` may have."""
    try:
        found = await gateway.vitrine.describe(timeout_s=FONTS_TIMEOUT_S)
    except VitrineError as error:
        return _refused(error)
    return {"fonts": list(found.families)}


class Scored(BaseModel):
    """A picture as base64 or a data URI, and the text that it is compared with."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    image: str
    prompt: Prompt
    model_type: Literal["openai", "koclip"] = "openai"


@router.post("/clip-score")
async def clip_score(request: Request, gateway: Parts, caller: OldKnown) -> Any:
    """Score how well a picture fits a text, as one job; `koclip` is not served."""
    try:
        body = Scored.model_validate(await read_json(request))
        if body.model_type == "koclip":
            told = "this gateway's CLIP reads English: translate the text and send model_type openai"
            return _error(501, "NOT_SERVED_YET", told)
        pictures = {"image": [read_picture(body.image, "image")]}
        wanted = Submission("score", options={"prompt": body.prompt}, pictures=pictures)
        queued, _ = await submit(gateway, caller, wanted)
        job = await wait_for_end(gateway, caller, queued.id, SCORE_WAIT_S)
    except (ValidationError, VitrineError) as error:
        return _refused(error, PICTURES)
    if job.error:
        code = _code_of(job.error)
        return _error(STATUSES[code], code, job.error["detail"])
    if job.result is None:
        return _error(504, "TIMED_OUT", f"the score was not done within {SCORE_WAIT_S:g} s: {job.id}")
    return {**first_score(job.result), "prompt": body.prompt, "model_type": body.model_type}


@router.get("/status/{job_id}")
async def status(job_id: str, request: Request, gateway: Parts, caller: OldKnown) -> Any:
    """Return the state of any job of the account."""
    try:
        job = await load_job(gateway, caller, job_id)
    except NotFound as error:
        return _error(404, "JOB_NOT_FOUND", str(error))
    base = base_of(request)
    preview = None if job.preview is None else linked(gateway, job.preview, base)
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
        "system_metrics": await gateway.figures.latest(),
        "parameters": job.request["options"],
        "step1_result": preview["image"]["url"] if preview else None,
        "final_result": picture_url(gateway, job, base),
        "error": _body(_code_of(job.error), job.error["detail"]) if job.error else None,
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


def _refused(error: ValidationError | VitrineError, pictures: Collection[str] = ()) -> JSONResponse:
    """The answer to a request that became no job; `pictures` are the names of fields with pictures."""
    if isinstance(error, ValidationError):
        place, wrong = first_fault(error)
        name = place.partition(".")[0] or "body"
        code = "INVALID_IMAGE" if name in pictures else "INVALID_PROMPT"
        return _error(400, code, f"{name}: {wrong}")
    kind = kind_of(error)
    code = "INVALID_IMAGE" if isinstance(error, WrongPicture) else CODES.get(kind.code, kind.code.upper())
    answer = _error(STATUSES.get(code, kind.status), code, str(error))
    answer.headers.update(retry_after(error))
    return answer


def _code_of(failure: Mapping[str, Any]) -> str:
    """The ad server's code for the error of a job."""
    other = "GPU_OUT_OF_MEMORY" if "memory" in failure["detail"].lower() else "MODEL_LOAD_ERROR"
    return CODES.get(failure["code"], other)


def _error(http_status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": _body(code, message)}, http_status)


def _body(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "details": None, "timestamp": iso(time.time())}
