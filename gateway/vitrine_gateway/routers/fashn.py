"""FASHN's `/v1/run` and `/v1/status/{id}` for try-on. Pictures come as base64 or by their addresses."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from vitrine.errors import BadRequest, NotFound, VitrineError

from vitrine_gateway.access import OldKnown, Parts
from vitrine_gateway.errors import NoCredit, RateLimited, TooMany, first_fault, kind_of
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.state_names import CANCELED, FAILED, QUEUED, RUNNING, SUCCEEDED
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import load_job, picture_url
from vitrine_gateway.problems import retry_after
from vitrine_gateway.routers.jobs import base_of
from vitrine_gateway.routers.reading import read_json

MODELS = ("tryon-v1.6", "tryon-v1.5")
CATEGORIES = {"auto": None, "tops": "upper_body", "bottoms": "lower_body", "one-pieces": "dresses"}
STATES = {
    QUEUED: "in_queue",
    RUNNING: "processing",
    SUCCEEDED: "completed",
    FAILED: "failed",
    CANCELED: "failed",
}
ERRORS = {  # of a problem: the name of FASHN's error
    "not_a_picture": "ImageLoadError",
    "too_large": "ImageLoadError",
    "bad_request": "InputValidationError",
    "content_rejected": "NSFWError",
}

LIMITED: dict[type[VitrineError], str] = {  # 429, FASHN's own status for all of them
    NoCredit: "OutOfCredits",
    RateLimited: "RateLimitExceeded",
    TooMany: "ConcurrencyLimitExceeded",
}

router = APIRouter(tags=["FASHN"])


class Inputs(BaseModel):
    """The inputs of a try-on; those that change nothing here are accepted and have no effect."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model_image: str
    garment_image: str
    category: Literal["auto", "tops", "bottoms", "one-pieces"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    num_samples: Annotated[int, Field(ge=1, le=1)] = 1
    output_format: Literal["png", "jpeg"] = "png"


class Run(BaseModel):
    """The body of /v1/run."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model_name: str
    inputs: Inputs


@router.post("/v1/run")
async def run(request: Request, gateway: Parts, caller: OldKnown) -> Any:
    """Queue a try-on and return its id."""
    try:
        body = Run.model_validate(await read_json(request))
        if body.model_name not in MODELS:
            raise BadRequest(f"model_name must be one of {', '.join(MODELS)}, got {body.model_name!r}")
        job, _ = await submit(gateway, caller, await _submission(gateway, body.inputs))
    except ValidationError as error:
        place, wrong = first_fault(error)
        return _error(400, "BadRequest", f"{place}: {wrong}")
    except VitrineError as error:
        return _refused(error)
    return {"id": job.id, "error": None}


@router.get("/v1/status/{job_id}")
async def status(job_id: str, request: Request, gateway: Parts, caller: OldKnown) -> Any:
    """Return the state of a try-on; a job that failed is an answer of 200 with its error."""
    try:
        job = await load_job(gateway, caller, job_id)
    except NotFound as error:
        return _error(404, "NotFound", str(error))
    url = picture_url(gateway, job, base_of(request))
    failure = None
    if job.error:
        failure = {"name": ERRORS.get(job.error["code"], "PipelineError"), "message": job.error["detail"]}
    elif job.state == CANCELED:
        failure = {"name": "PipelineError", "message": "the job was canceled"}
    return {
        "id": job.id,
        "status": STATES[job.state],
        "output": [url] if url else None,
        "error": failure,
    }


async def _submission(gateway: Gateway, inputs: Inputs) -> Submission:
    category = CATEGORIES[inputs.category]
    options: dict[str, Any] = {"seed": inputs.seed, "format": inputs.output_format}
    if category:
        options["category"] = category
    person, garment = await asyncio.gather(
        gateway.fetcher.picture(inputs.model_image, "model_image"),
        gateway.fetcher.picture(inputs.garment_image, "garment_image"),
    )
    pictures = {"person": [person], "garment": [garment]}
    return Submission("try_on", options=options, pictures=pictures)


def _refused(error: VitrineError) -> JSONResponse:
    """The answer to a request that became no job."""
    if name := LIMITED.get(type(error)):
        answer = _error(429, name, str(error))
        answer.headers.update(retry_after(error))
        return answer
    kind = kind_of(error)
    if kind.status >= 500:
        return _error(kind.status, "InternalServerError", str(error))
    return _error(400, "BadRequest", str(error))


def _error(http_status: int, name: str, message: str) -> JSONResponse:
    return JSONResponse({"error": name, "message": message}, http_status)
