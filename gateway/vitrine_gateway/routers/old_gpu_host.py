"""CloszIT's GPU host: the routes that its app's server calls today."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from vitrine import Cancelled, TimedOut, VitrineError

from vitrine_gateway.access import OldKnown, Parts, base_of
from vitrine_gateway.errors import error_of
from vitrine_gateway.jobs.cancelling import cancel
from vitrine_gateway.jobs.fields import WHOLE, Category, Name, OldBody
from vitrine_gateway.jobs.state_names import ENDED
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import result_view, wait_for_end
from vitrine_gateway.routers.health import triton_state
from vitrine_gateway.routers.names import CLOTHING, USER
from vitrine_gateway.routers.old_preparing import check_owner

WAIT_S = 120.0
STATISTICS = (
    "total_requests", "l1_hits", "l2_hits", "l3_hits", "evictions", "l1_hit_rate", "l2_hit_rate"
)  # fmt: skip

router = APIRouter(tags=["CloszIT's GPU host, the ad server: health"])


class Generate(OldBody):
    """A try-on of a person and a garment whose data the server has."""

    user_id: Name
    clothing_id: Name
    category: Category | None = None
    denoise_steps: Annotated[int, Field(ge=1, le=100), WHOLE] = 20
    seed: Annotated[int, Field(ge=0, lt=2**64), WHOLE] = 42


@router.post("/vton/generate-tryon")
@router.post("/vton/generate-tryon-v2")
async def generate(body: Generate, request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Run a try-on and answer when it is done; a job that failed is answered with its own error."""
    options: dict[str, Any] = {"steps": body.denoise_steps, "seed": body.seed}
    if body.category:
        options["category"] = body.category
    wanted = Submission(
        "try_on", body.user_id, options, person_id=body.user_id, garment_ids=(body.clothing_id,)
    )
    queued, _ = await submit(gateway, caller, wanted)
    job = await wait_for_end(gateway, caller, queued.id, WAIT_S)
    if job.state not in ENDED:
        await cancel(gateway, caller, job.id)
        raise TimedOut(f"the try-on was not done within {WAIT_S:g} s")
    result = result_view(gateway, job, base_of(request))
    if result is None:
        raise error_of(job.error) if job.error else Cancelled("the try-on was canceled")
    return {
        "success": True,
        "job_id": job.id,
        "image_url": result["image"]["url"],
        "seed": result["seed"],
        "elapsed_s": round((job.finished_at or 0.0) - job.created_at, 3),
    }


@router.get("/health")
async def health(gateway: Parts) -> dict[str, Any]:
    """Return whether try-ons can run, and the server's cache statistics. No key is needed."""
    state, cache = await triton_state(gateway), None
    if state == "ok":
        try:
            numbers = await gateway.vitrine.cache_statistics(timeout_s=2.0)
            cache = {name: numbers.numbers[name] for name in STATISTICS}
        except VitrineError as error:
            state = str(error)
    return {"status": "healthy" if state == "ok" else "unhealthy", "detail": state, "cache_stats": cache}


@router.delete(f"/cache/human/{USER}")
async def forget_person(user: str, gateway: Parts, caller: OldKnown) -> dict[str, bool]:
    """Remove a person's prepared data from the server."""
    await check_owner(gateway, caller)
    await gateway.vitrine.clear_cache(person_id=user)
    return {"success": True}


@router.delete(f"/cache/garment/{CLOTHING}")
async def forget_garment(clothing: str, gateway: Parts, caller: OldKnown) -> dict[str, bool]:
    """Remove a garment's prepared data from the server."""
    await check_owner(gateway, caller)
    await gateway.vitrine.clear_cache(garment_id=clothing)
    return {"success": True}


@router.delete("/cache/all")
async def forget_all(gateway: Parts, caller: OldKnown) -> dict[str, bool]:
    """Remove all prepared data from the server."""
    await check_owner(gateway, caller)
    await gateway.vitrine.clear_cache(everything=True)
    return {"success": True}
