"""FASHN's `/v1/run` and `/v1/status/{id}` for try-on. Pictures come as base64 or by their addresses."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field
from vitrine.errors import BadRequest, NotFound, VitrineError

from vitrine_gateway.access import OldKnown, Parts, base_of
from vitrine_gateway.errors import (
    Forbidden,
    NoCredit,
    RateLimited,
    TooMany,
    Unauthorized,
    kind_of,
    told_fault,
)
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.fashn_status import fashn_status
from vitrine_gateway.jobs.fields import WHOLE, OldBody
from vitrine_gateway.jobs.inputs import file_of_link
from vitrine_gateway.jobs.submitting import FileId, Submission, submit
from vitrine_gateway.jobs.views import load_job
from vitrine_gateway.problems import retry_after
from vitrine_gateway.routers.other_forms import Refusal, route_telling
from vitrine_gateway.routers.reading import read_json

MODELS = ("tryon-v1.6", "tryon-v1.5")
CATEGORIES = {"auto": None, "tops": "upper_body", "bottoms": "lower_body", "one-pieces": "dresses"}
NAMED: dict[type[VitrineError], tuple[int, str]] = {  # FASHN's own status and name
    Unauthorized: (401, "UnauthorizedAccess"),
    Forbidden: (403, "UnauthorizedAccess"),
    NotFound: (404, "NotFound"),
    NoCredit: (429, "OutOfCredits"),
    RateLimited: (429, "RateLimitExceeded"),
    TooMany: (429, "ConcurrencyLimitExceeded"),
}
NAMES = {"person": "model_image", "garment": "garment_image", "webhook": "webhook_url"}


def _told(error: Refusal) -> JSONResponse:
    """The answer to an error."""
    if not isinstance(error, VitrineError):
        return JSONResponse({"error": "BadRequest", "message": told_fault(error)}, 400)
    status = kind_of(error).status
    other = (status, "InternalServerError") if status >= 500 else (400, "BadRequest")
    status, name = NAMED.get(type(error), other)
    return JSONResponse({"error": name, "message": str(error)}, status, retry_after(error))


router = APIRouter(tags=["FASHN"], route_class=route_telling(_told))
Picture = Annotated[str, Field(min_length=1)]


class Inputs(OldBody):
    """The inputs of a try-on; those that change nothing here are accepted and have no effect."""

    model_image: Picture
    garment_image: Picture
    category: Literal["auto", "tops", "bottoms", "one-pieces"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**32), WHOLE] = 42
    num_samples: Annotated[int, Field(ge=1, le=1), WHOLE] = 1
    output_format: Literal["png", "jpeg"] = "png"
    return_base64: bool = False


class Run(OldBody):
    """The body of /v1/run."""

    model_name: str
    inputs: Inputs


@router.post("/v1/run")
async def run(
    request: Request,
    gateway: Parts,
    caller: OldKnown,
    webhook_url: Annotated[str | None, Query(max_length=2000)] = None,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> dict[str, Any]:
    """Queue a try-on and return its id; `webhook_url` is told its end by what /v1/status answers."""
    body = Run.model_validate(await read_json(request))
    if body.model_name not in MODELS:
        raise BadRequest(f"model_name must be one of {', '.join(MODELS)}, got {body.model_name!r}")
    wanted = await _submission(gateway, body.inputs, webhook_url, base_of(request))
    job, _ = await submit(gateway, caller, wanted, idempotency_key)
    return {"id": job.id, "error": None}


@router.get("/v1/status/{job_id}")
async def status(job_id: str, request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Return the state of a try-on; a job that failed is an answer of 200 with its error."""
    return await fashn_status(gateway, await load_job(gateway, caller, job_id), base_of(request))


async def _submission(gateway: Gateway, inputs: Inputs, webhook: str | None, base: str) -> Submission:
    category = CATEGORIES[inputs.category]
    options: dict[str, Any] = {"seed": inputs.seed, "format": inputs.output_format}
    if category:
        options["category"] = category
    person, garment = await asyncio.gather(
        _picture(gateway, inputs.model_image, "model_image"),
        _picture(gateway, inputs.garment_image, "garment_image"),
    )
    return Submission(
        "try_on",
        options=options,
        pictures={"person": [person], "garment": [garment]},
        webhook=webhook,
        contract={"base": base, "return_base64": inputs.return_base64},
        names=NAMES,
    )


async def _picture(gateway: Gateway, text: str, name: str) -> bytes | FileId:
    return file_of_link(text) or await gateway.fetcher.picture(text, name)
