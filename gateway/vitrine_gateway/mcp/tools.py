"""The eight tools of the old ad server. Jobs are submitted by the same code as those of REST."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Annotated, Any, Literal

import anyio
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from vitrine import VitrineError
from vitrine.statuses import ModelStatus

from vitrine_gateway.database.tables import Account, Job
from vitrine_gateway.errors import Conflict, NotServedYet
from vitrine_gateway.interpretations import first_score
from vitrine_gateway.jobs.cancelling import cancel
from vitrine_gateway.jobs.inputs import from_inputs
from vitrine_gateway.jobs.pipelines import served_pipelines
from vitrine_gateway.jobs.state_names import ENDED, QUEUED, RUNNING
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import follow, load_job
from vitrine_gateway.mcp.ad_inputs import Words, ad_inputs, picture_of
from vitrine_gateway.mcp.answers import answer_of
from vitrine_gateway.mcp.visits import Ctx, FindVisit, Visit

LONGEST_WAIT_S = 50.0  # clients commonly give up after 60 s
_STATUS_TIMEOUT_S, _FONTS_TIMEOUT_S = 2.0, 5.0

Wait = Annotated[float, Field(ge=0, le=LONGEST_WAIT_S, description="seconds to wait for the end of the job")]
JobId = Annotated[str, Field(max_length=40, description="the job's id, as generate_ad_image returned it")]


class SystemStatus(BaseModel):
    """The state of the service, and the caller's part in it."""

    server: str = Field(description='"ok", or why the Vitrine server cannot be reached')
    pipelines: dict[str, bool] = Field(description="whether a pipeline's model is loaded")
    queued: int = Field(description="jobs of this account that wait")
    running: int = Field(description="jobs of this account that run")
    credits: int = Field(description="credits of this account")
    machine: dict[str, Any] = Field(description="CPU, memory and GPUs of the machine that draws")


class FontList(BaseModel):
    """The fonts of the server."""

    families: list[str] = Field(description="what `font` may be")
    kinds: dict[str, list[str]] = Field(description='"sans", "serif" and "round": the first family is used')


class Tools:
    """The tools that are served; each takes the call's context first."""

    def __init__(self, find_visit: FindVisit) -> None:
        self._visit = find_visit

    async def generate_ad_image(
        self,
        ctx: Ctx,
        prompt: Annotated[
            str, Field(description="what the picture shows, in English; with product also a Korean sentence")
        ],
        image: Annotated[
            str | None,
            Field(
                description="a picture to change as the prompt says, or the scene of the products: base64, "
                "a data URI, or a file's id"
            ),
        ] = None,
        strength: Annotated[
            float | None, Field(description="with image: how much of it is changed, above 0 to 1")
        ] = None,
        negative_prompt: Annotated[str | None, Field(description="what the picture must not show")] = None,
        width: Annotated[int | None, Field(description="in pixels, with height: multiples of 16")] = None,
        height: int | None = None,
        aspect_ratio: Annotated[str | None, Field(description='instead of both, such as "4:5"')] = None,
        steps: int | None = None,
        seed: Annotated[int | None, Field(description="gives the same picture again")] = None,
        product: Annotated[
            str | list[str] | None,
            Field(description="photos of products to set into the picture, as `image` is given"),
        ] = None,
        text: Annotated[
            str | None, Field(description="with product: the words to set on the picture, such as a price")
        ] = None,
        text_position: Annotated[
            Literal["auto", "top", "bottom", "center"], Field(description="auto covers nothing")
        ] = "auto",
        font: Annotated[str | None, Field(description="with text: a family of list_fonts")] = None,
        user: Annotated[str, Field(description="your name of the person in the picture, if any")] = "",
        wait_s: Wait = LONGEST_WAIT_S,
    ) -> CallToolResult:
        """Make an advertising picture from a sentence, of products, or change a picture; costs credits.

        With `product` the prompt says what is behind and around the products, which keep their own pixels.
        Answers with the picture if it is done within wait_s, else with the job's id. Cancelling the call
        while it waits cancels the job.
        """
        visit = await self._visit(ctx)
        options = {
            "prompt": prompt,
            "strength": strength,
            "negative_prompt": negative_prompt,
            "width": width,
            "height": height,
            "aspect_ratio": aspect_ratio,
            "steps": steps,
            "seed": seed,
        }
        pipeline, inputs = ad_inputs(options, image, product, Words(text, text_position, font))
        wanted = from_inputs(pipeline, inputs, user=user)
        return await answer_of(visit, await self._run(ctx, visit, wanted, wait_s), failure_is_error=True)

    async def check_generation_status(self, ctx: Ctx, job_id: JobId, wait_s: Wait = 0.0) -> CallToolResult:
        """Return the state of a job of any pipeline; with its picture if it is done."""
        visit = await self._visit(ctx)
        job = await load_job(visit.gateway, visit.caller, job_id)
        return await answer_of(visit, await watch(ctx, visit, job, wait_s))

    async def stop_generation(self, ctx: Ctx, job_id: JobId) -> CallToolResult:
        """Cancel a job: a waiting one ends at once, a running one before its next step. It costs nothing."""
        visit = await self._visit(ctx)
        return await answer_of(visit, await cancel(visit.gateway, visit.caller, job_id))

    async def get_system_status(self, ctx: Ctx) -> SystemStatus:
        """Return which pipelines can run, and the account's jobs and credits."""
        visit = await self._visit(ctx)
        server, models = "ok", tuple[ModelStatus, ...]()
        try:
            models = await visit.gateway.vitrine.models(timeout_s=_STATUS_TIMEOUT_S)
        except VitrineError as error:
            server = str(error)
        own = Job.account_id == visit.caller.account_id
        counted = select(Job.state, func.count().label("number")).where(own, Job.state.in_((QUEUED, RUNNING)))
        async with visit.gateway.database.reading() as session:
            rows = await session.execute(counted.group_by(Job.state))
            jobs: dict[str, int] = {row.state: row.number for row in rows}
            account = await session.get(Account, visit.caller.account_id)
        return SystemStatus(
            server=server,
            pipelines=served_pipelines(models),
            queued=jobs.get(QUEUED, 0),
            running=jobs.get(RUNNING, 0),
            credits=account.credits if account else 0,
            machine=await visit.gateway.figures.latest(),
        )

    async def analyze_image(
        self,
        ctx: Ctx,
        image: Annotated[str, Field(description="the picture: base64, a data URI, or a file's id")],
        user: Annotated[str, Field(description="your name of the person in the picture, if any")] = "",
    ) -> CallToolResult:
        """Describe a picture's size, colours and free places for text; costs credits.

        Boxes are left, top, right and bottom in shares of the picture.
        """
        visit = await self._visit(ctx)
        wanted = from_inputs("picture_description", {"image": picture_of(image)}, user=user)
        job = await self._run(ctx, visit, wanted, LONGEST_WAIT_S)
        answer = await answer_of(visit, job, failure_is_error=True)
        if job.result is not None:
            answer.content.insert(0, TextContent(type="text", text=_described(job.result)))
        return answer

    async def calculate_clip_score(
        self,
        ctx: Ctx,
        image: Annotated[str, Field(description="the picture: base64, a data URI, or a file's id")],
        prompt: Annotated[str, Field(description="what the picture should show, in English")],
        user: Annotated[str, Field(description="your name of the person in the picture, if any")] = "",
    ) -> CallToolResult:
        """Score how well a picture fits a sentence by CLIP; costs credits.

        Only scores of the same model can be compared: several pictures with one sentence, or the reverse.
        """
        visit = await self._visit(ctx)
        wanted = from_inputs("score", {"image": picture_of(image), "prompt": prompt}, user=user)
        job = await self._run(ctx, visit, wanted, LONGEST_WAIT_S)
        answer = await answer_of(visit, job, failure_is_error=True)
        if job.result is not None:
            score = first_score(job.result)
            told = f"{score['score']:.3f}: {score['interpretation']}"
            answer.content.insert(0, TextContent(type="text", text=told))
        return answer

    async def list_fonts(self, ctx: Ctx) -> FontList:
        """List the fonts for text on pictures."""
        visit = await self._visit(ctx)
        found = await visit.gateway.vitrine.describe(timeout_s=_FONTS_TIMEOUT_S)
        return FontList(families=list(found.families), kinds={k: list(v) for k, v in found.kinds.items()})

    async def generate_homepage(self, ctx: Ctx) -> None:
        """Write a homepage for a shop. Not served yet."""
        await self._refuse(ctx, "generate_homepage", "homepage")

    async def _run(self, ctx: Ctx, visit: Visit, wanted: Submission, wait_s: float) -> Job:
        """Submit a job and watch it; a call that is cancelled meanwhile cancels the job."""
        with anyio.CancelScope(shield=True):  # else a job could be queued whose id nobody has to cancel it
            job, _ = await submit(visit.gateway, visit.caller, wanted)
        try:
            return await watch(ctx, visit, job, wait_s)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True), suppress(Conflict):  # it may just have ended
                await cancel(visit.gateway, visit.caller, job.id)
            raise

    async def _refuse(self, ctx: Ctx, tool: str, pipeline: str) -> None:
        await self._visit(ctx)  # strangers learn nothing
        raise NotServedYet(f"{tool} needs the pipeline {pipeline!r}, which this gateway does not serve yet")


def _described(result: Mapping[str, Any]) -> str:
    """Return the sentence for a picture's description."""
    colours = ", ".join(f"{one['colour']} ({one['share']:.0%})" for one in result["colours"])
    places = "; ".join(
        f"a {one['shape']} at {one['anchor']}, box {one['box']}, "
        f"in {one['ink']} (contrast {one['contrast_p5']})"
        for one in result["places"]
    )
    width, height = result["size"]
    return f"{width} x {height}; colours: {colours or 'none'}; free for text: {places or 'nothing'}"


async def watch(ctx: Ctx, visit: Visit, job: Job, wait_s: float) -> Job:
    """Tell the client how far the job is, until its end or for `wait_s`; return the job then."""
    if wait_s and job.state not in ENDED:
        with anyio.move_on_after(wait_s):
            await _tell_progress(ctx, visit, job)
    return await load_job(visit.gateway, visit.caller, job.id)


async def _tell_progress(ctx: Ctx, visit: Visit, job: Job) -> None:
    """Report percents that only rise, as the protocol asks, whatever a second try does."""
    told = -1.0
    async with aclosing(follow(visit.gateway, job.id)) as events:
        async for event in events:
            if event is None:
                continue
            # Below 100: after its last step a job goes on.
            step = min(max(float(event.data.get("percent", told + 0.5)), 0.0), 99.0)
            percent = 100.0 if event.kind in ENDED else step
            if told < percent <= 100:
                told = percent
                await ctx.report_progress(percent, 100.0, event.kind)
