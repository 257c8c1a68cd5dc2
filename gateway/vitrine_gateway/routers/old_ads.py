"""The ad server: ads, their states and ends, fonts and scores, in its own words and errors."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse
from vitrine.errors import Cancelled, NotFound, VitrineError

from vitrine_gateway.access import OldKnown, Parts, base_of
from vitrine_gateway.database.tables import Job
from vitrine_gateway.errors import Conflict, NotServedYet, first_fault, kind_of, told_fault
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.interpretations import first_score
from vitrine_gateway.jobs.cancelling import cancel
from vitrine_gateway.jobs.fields import OldBody, Prompt
from vitrine_gateway.jobs.state_names import CANCELED, FAILED, QUEUED, RUNNING, SUCCEEDED
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import iso, linked, load_job, picture_url, wait_for_end
from vitrine_gateway.problems import retry_after
from vitrine_gateway.routers.old_ad_requests import Generate, WrongPicture, read_picture, submission_of
from vitrine_gateway.routers.other_forms import Refusal, route_telling
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


def _told(error: Refusal) -> JSONResponse:
    """The answer to an error."""
    if not isinstance(error, VitrineError):
        name = first_fault(error)[0].partition(".")[0]
        return _error(400, "INVALID_IMAGE" if name in PICTURES else "INVALID_PROMPT", told_fault(error))
    kind = kind_of(error)
    code = "INVALID_IMAGE" if isinstance(error, WrongPicture) else CODES.get(kind.code, kind.code.upper())
    answer = _error(STATUSES.get(code, kind.status), code, str(error))
    answer.headers.update(retry_after(error))
    return answer


router = APIRouter(tags=["ad server"], route_class=route_telling(_told))


@router.post("/generate")
async def generate(
    request: Request,
    gateway: Parts,
    caller: OldKnown,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> dict[str, Any]:
    """Start an advertisement, or set text on a finished picture (`start_step` 2)."""
    body = Generate.model_validate(await read_json(request))
    job, _ = await submit(gateway, caller, submission_of(body), idempotency_key)
    return {"job_id": job.id, "status": STATES[job.state]}


@router.get("/fonts")
async def fonts(gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Return the families that `font_name` may have."""
    found = await gateway.vitrine.describe(timeout_s=FONTS_TIMEOUT_S)
    return {"fonts": list(found.families)}


class Scored(OldBody):
    """A picture as base64 or a data URI, and the text that it is compared with."""

    image: str
    prompt: Prompt
    model_type: Literal["openai", "koclip"] = "openai"


@router.post("/clip-score")
async def clip_score(request: Request, gateway: Parts, caller: OldKnown) -> Any:
    """Score how well a picture fits a text, as one job; `koclip` is not served."""
    body = Scored.model_validate(await read_json(request))
    if body.model_type == "koclip":
        raise NotServedYet("this gateway's CLIP reads English: translate the text and send model_type openai")
    pictures = {"image": [read_picture(body.image, "image")]}
    wanted = Submission("score", options={"prompt": body.prompt}, pictures=pictures)
    queued, _ = await submit(gateway, caller, wanted)
    job = await wait_for_end(gateway, caller, queued.id, SCORE_WAIT_S)
    if job.error:
        code = _code_of(job.error)
        return _error(STATUSES[code], code, job.error["detail"])
    if job.state == CANCELED:
        raise Cancelled("the job was canceled")
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
        "step1_result": _step1(gateway, job, base),
        "final_result": picture_url(gateway, job, base),
        "error": _failure(job),
    }


def _step1(gateway: Gateway, job: Job, base: str) -> str | None:
    """A link to the picture without its texts; while that is drawn, to its newest preview if there is one."""
    told = job.preview
    if job.pipeline == "text_overlay":
        told = {"image": {"file_id": job.request["pictures"]["image"][0]}}
    elif job.result is not None and not job.request["options"].keys() & {"text", "texts", "html"}:
        told = job.result
    return linked(gateway, told, base)["image"]["url"] if told and "image" in told else None


def _failure(job: Job) -> dict[str, Any] | None:
    if job.error:
        return _body(_code_of(job.error), job.error["detail"])
    return _body("CANCELED", "the job was canceled") if job.state == CANCELED else None


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


def _code_of(failure: Mapping[str, Any]) -> str:
    """The ad server's code for the error of a job."""
    other = "GPU_OUT_OF_MEMORY" if "memory" in failure["detail"].lower() else "MODEL_LOAD_ERROR"
    return CODES.get(failure["code"], other)


def _error(http_status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": _body(code, message)}, http_status)


def _body(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "details": None, "timestamp": iso(time.time())}
