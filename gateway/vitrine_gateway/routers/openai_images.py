"""OpenAI's `/v1/images/generations` and `/v1/images/edits`, so that the `openai` package works.

Requests, answers and errors have OpenAI's form. Each picture is a job of its own, several are a batch; the
call waits for all. Options that would change the picture and cannot be obeyed are refused.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.datastructures import UploadFile
from vitrine.errors import BadRequest, Cancelled, TimedOut, VitrineError

from vitrine_gateway.access import Known, Parts, base_of
from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.errors import Conflict, error_of
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.batches import submit_together
from vitrine_gateway.jobs.cancelling import cancel
from vitrine_gateway.jobs.fields import NUMBER, Format, Prompt
from vitrine_gateway.jobs.state_names import ENDED, SUCCEEDED
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import result_view, wait_for_end
from vitrine_gateway.routers.jobs import headers_of
from vitrine_gateway.routers.openai_errors import told
from vitrine_gateway.routers.other_forms import route_telling
from vitrine_gateway.routers.reading import filled, read_form, read_json

WAIT_S = 300.0
OWN = ("negative_prompt", "seed", "steps", "guidance", "strength")  # options of ours, by `extra_body`
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)]


def _word(value: Any) -> Any:
    """Return false for the word, which forms send."""
    return False if isinstance(value, str) and value.lower() == "false" else value


class Wanted(BaseModel):
    """The fields of both calls. Those without a meaning here are accepted and have no effect."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt
    model: Literal["vitrine"] | None = None
    n: Annotated[int, Field(ge=1, le=10), NUMBER] | None = None
    size: Annotated[str, Field(pattern=r"^(auto|\d{2,4}x\d{2,4})$")] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Format | None = None
    background: Literal["opaque", "auto"] | None = None
    stream: Annotated[Literal[False] | None, BeforeValidator(_word)] = None
    partial_images: Annotated[int, Field(ge=0, le=0), NUMBER] | None = None
    user: Annotated[str, Field(max_length=200)] | None = None
    negative_prompt: Prompt | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64), NUMBER] | None = None
    steps: Annotated[int, Field(ge=1, le=100), NUMBER] | None = None
    guidance: Annotated[float, Field(ge=0, le=20), NUMBER] | None = None
    quality: str | None = None  # these have no effect
    style: str | None = None
    moderation: str | None = None
    safety_identifier: str | None = None

    def submissions(
        self, pipeline: str, pictures: Mapping[str, Sequence[bytes]] | None = None
    ) -> list[Submission]:
        """Return the request for each of the `n` pictures."""
        places = range(self.n or 1)
        return [Submission(pipeline, self.user or "", self._options(at), pictures or {}) for at in places]

    def _options(self, place: int) -> dict[str, Any]:
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

    strength: Annotated[float, Field(gt=0, le=1), NUMBER] | None = None
    input_fidelity: str | None = None  # no effect


class StillRunning(TimedOut):
    """The call has waited as long as it may; its jobs go on."""


router = APIRouter(prefix="/v1/images", tags=["OpenAI's images"], route_class=route_telling(told))


@router.post("/generations")
async def generations(
    request: Request, gateway: Parts, caller: Known, idempotency_key: Key = None
) -> JSONResponse:
    """Draw pictures of a prompt and answer with all of them."""
    caller.needs("jobs")
    wanted = Wanted.model_validate(await read_json(request))
    several = wanted.submissions("text_to_image")
    return await _draw(request, gateway, caller, wanted, several, idempotency_key)


@router.post("/edits")
async def edits(request: Request, gateway: Parts, caller: Known, idempotency_key: Key = None) -> JSONResponse:
    """Change one picture as a prompt says. Masks are not served."""
    caller.needs("jobs")
    async with read_form(request) as form:
        pictures = [one for name in ("image", "image[]") for one in form.getlist(name)]
        if len(pictures) != 1:
            raise BadRequest(f"image must be given: one picture, got {len(pictures)}")
        if not isinstance(pictures[0], UploadFile):
            raise BadRequest("image must be a file of the form, got text")
        content = await pictures[0].read()
        fields = {name: value for name, value in filled(form) if name not in ("image", "image[]")}
    wanted = Change.model_validate(fields)
    several = wanted.submissions("image_to_image", {"image": [content]})
    return await _draw(request, gateway, caller, wanted, several, idempotency_key)


async def _draw(
    request: Request,
    gateway: Gateway,
    caller: Caller,
    wanted: Wanted,
    several: Sequence[Submission],
    key: str | None,
) -> JSONResponse:
    """Submit all jobs or none and wait for all; after an error cancel what is left.

    With a key they go on when the call cannot wait any longer: the next one with this key waits for them.
    """
    jobs: list[Job] = []
    try:
        jobs, replayed = await _submitted(gateway, caller, several, key)
        until = time.monotonic() + WAIT_S
        done = [await _finished(gateway, caller, job, until - time.monotonic()) for job in jobs]
    except BaseException as error:
        if key is None or (isinstance(error, VitrineError) and not isinstance(error, StillRunning)):
            await asyncio.shield(_cancel_all(gateway, caller, jobs))
        raise
    data = [await _picture(request, gateway, job, wanted.response_format) for job in done]
    first = done[0].result or {}
    size = f"{first['image']['width']}x{first['image']['height']}"
    made = {"created": int(time.time()), "data": data, "size": size}
    made |= {"output_format": wanted.output_format or "png", "background": "opaque"}
    return JSONResponse(made, headers=headers_of(replayed, None))


async def _submitted(
    gateway: Gateway, caller: Caller, several: Sequence[Submission], key: str | None
) -> tuple[list[Job], bool]:
    if len(several) == 1:
        job, replayed = await submit(gateway, caller, several[0], key)
        return [job], replayed
    _, jobs, replayed = await submit_together(gateway, caller, several, key)
    return jobs, replayed


async def _finished(gateway: Gateway, caller: Caller, job: Job, seconds: float) -> Job:
    job = await wait_for_end(gateway, caller, job.id, seconds)
    if job.state == SUCCEEDED:
        return job
    if job.state not in ENDED:
        raise StillRunning(f"the picture was not done within {WAIT_S:g} s")
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
