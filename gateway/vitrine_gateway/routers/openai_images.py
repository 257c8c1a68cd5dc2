"""OpenAI's `/v1/images/generations` and `/v1/images/edits`, so that the `openai` package works.

Requests, answers and errors have OpenAI's form. Each picture is a job of its own; the call waits for all.
Options that would change the picture and cannot be obeyed are refused.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from vitrine.errors import BadRequest, Cancelled, TimedOut, VitrineError

from vitrine_gateway.access import Known, Parts
from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.errors import (
    Conflict,
    ContentRejected,
    NoCredit,
    RateLimited,
    TooMany,
    Unauthorized,
    error_of,
    kind_of,
)
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.cancelling import cancel
from vitrine_gateway.jobs.pipelines import Format, Prompt
from vitrine_gateway.jobs.state_names import ENDED, SUCCEEDED
from vitrine_gateway.jobs.submitting import Submission, submit_all
from vitrine_gateway.jobs.views import result_view, wait_for_end
from vitrine_gateway.problems import retry_after
from vitrine_gateway.routers.jobs import base_of
from vitrine_gateway.routers.reading import read_form, read_json

WAIT_S = 300.0
CODES: dict[type[VitrineError], tuple[int, str, str]] = {  # status, type and code of OpenAI
    Unauthorized: (401, "invalid_request_error", "invalid_api_key"),
    NoCredit: (429, "insufficient_quota", "insufficient_quota"),
    RateLimited: (429, "rate_limit_error", "rate_limit_exceeded"),
    ContentRejected: (400, "invalid_request_error", "content_policy_violation"),
    TooMany: (429, "rate_limit_error", "rate_limit_exceeded"),
}
OWN = ("negative_prompt", "seed", "steps", "guidance", "strength")  # options of ours, by `extra_body`


class Wanted(BaseModel):
    """The fields of both calls. Those without a meaning here are accepted and have no effect."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt
    model: Literal["vitrine"] | None = None
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: Annotated[str, Field(pattern=r"^(auto|\d{2,4}x\d{2,4})$")] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Format | None = None
    background: Literal["opaque", "auto"] | None = None
    stream: Literal[False] | None = None
    user: Annotated[str, Field(max_length=200)] | None = None
    negative_prompt: Prompt | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64)] | None = None
    steps: Annotated[int, Field(ge=1, le=100)] | None = None
    guidance: Annotated[float, Field(ge=0, le=20)] | None = None
    quality: str | None = None  # these have no effect
    style: str | None = None
    moderation: str | None = None

    def options(self, place: int) -> dict[str, Any]:
        """Return the options of the picture at `place`, from 0."""
        named = {name: getattr(self, name, None) for name in OWN}
        options: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        options |= {"prompt": self.prompt, "format": self.output_format or "png"}
        if "seed" in options:  # each picture its own, or all would be the same
            options["seed"] = (options["seed"] + place) % 2**64
        if self.size and self.size != "auto":
            width, height = self.size.split("x")
            options |= {"width": int(width), "height": int(height)}
        return options


class Change(Wanted):
    """The fields of an edit; `strength` says how much of the picture is changed."""

    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    input_fidelity: str | None = None  # no effect


class OpenAIRoute(APIRoute):
    """A route whose errors have OpenAI's form, those of its dependencies included."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's function with the errors translated."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except (RequestValidationError, ValidationError) as error:
                first = error.errors()[0]
                name = str(first["loc"][-1]) if first["loc"] else None
                return _error(400, "invalid_request_error", "invalid_value", first["msg"], name)
            except VitrineError as error:
                return _told(error)

        return answered


router = APIRouter(prefix="/v1/images", tags=["OpenAI's images"], route_class=OpenAIRoute)


@router.post("/generations")
async def generations(request: Request, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Draw pictures of a prompt and answer with all of them."""
    wanted = Wanted.model_validate(await read_json(request))
    return await _draw(request, gateway, caller, wanted, "text_to_image", {})


@router.post("/edits")
async def edits(request: Request, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Change one picture as a prompt says. Masks are not served."""
    async with read_form(request) as form:
        pictures = [one for name in ("image", "image[]") for one in form.getlist(name)]
        if len(pictures) != 1 or not isinstance(pictures[0], UploadFile):
            raise BadRequest(f"image must be given: one picture, got {len(pictures)}")
        content = await pictures[0].read()
        fields = {name: value for name, value in form.items() if name not in ("image", "image[]")}
    wanted = Change.model_validate(fields)
    return await _draw(request, gateway, caller, wanted, "image_to_image", {"image": [content]})


async def _draw(
    request: Request,
    gateway: Gateway,
    caller: Caller,
    wanted: Wanted,
    pipeline: str,
    pictures: dict[str, list[bytes]],
) -> dict[str, Any]:
    """Submit one job for each picture, all or none; wait for all, and cancel what is left after an error."""
    caller.needs("jobs")
    jobs: list[Job] = []
    try:
        several = [
            Submission(pipeline, wanted.user or "", wanted.options(place), pictures)
            for place in range(wanted.n or 1)
        ]
        jobs, _ = await submit_all(gateway, caller, several)
        until = time.monotonic() + WAIT_S
        done = [await _finished(gateway, caller, job, until - time.monotonic()) for job in jobs]
    except BaseException:
        await asyncio.shield(_cancel_all(gateway, caller, jobs))
        raise
    data = [await _picture(request, gateway, job, wanted.response_format) for job in done]
    first = done[0].result or {}
    size = f"{first['image']['width']}x{first['image']['height']}"
    made = {"created": int(time.time()), "data": data, "size": size}
    return made | {"output_format": wanted.output_format or "png", "background": "opaque"}


async def _finished(gateway: Gateway, caller: Caller, job: Job, seconds: float) -> Job:
    job = await wait_for_end(gateway, caller, job.id, seconds)
    if job.state == SUCCEEDED:
        return job
    if job.state not in ENDED:
        raise TimedOut(f"the picture was not done within {WAIT_S:g} s")
    if job.error is None:
        raise Cancelled(f"the job {job.id} was canceled")
    raise error_of(job.error)


async def _cancel_all(gateway: Gateway, caller: Caller, jobs: list[Job]) -> None:
    for job in jobs:
        with suppress(Conflict):  # it has ended
            await cancel(gateway, caller, job.id)


async def _picture(request: Request, gateway: Gateway, job: Job, form: str | None) -> dict[str, str]:
    view = result_view(gateway, job, base_of(request))
    assert view is not None, "the job succeeded"
    if form == "url":
        return {"url": view["image"]["url"]}
    async with gateway.database.reading() as session:
        file = await session.get(File, view["image"]["file_id"])
    if file is None:
        raise VitrineError("the picture was erased")
    return {"b64_json": base64.b64encode(await gateway.pictures.get(file.path)).decode()}


def _told(error: VitrineError) -> JSONResponse:
    kind = kind_of(error)
    named = next((CODES[base] for base in type(error).__mro__ if base in CODES), None)
    status, word, code = named or (
        kind.status,
        "invalid_request_error" if kind.status < 500 else "server_error",
        kind.code,
    )
    answer = _error(status, word, code, str(error))
    answer.headers.update(retry_after(error))
    if isinstance(error, NoCredit):
        answer.headers["x-should-retry"] = "false"  # the package would try a 429 again
    return answer


def _error(status: int, word: str, code: str, message: str, param: str | None = None) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": word, "param": param, "code": code}}, status)
