"""The state of a job as FASHN's `/v1/status` and its webhooks tell it."""

from __future__ import annotations

import base64
from typing import Any

from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.state_names import CANCELED, FAILED, QUEUED, RUNNING, SUCCEEDED
from vitrine_gateway.jobs.views import picture_url

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
    "content_rejected": "ContentModerationError",
}


async def fashn_status(gateway: Gateway, job: Job, base: str) -> dict[str, Any]:
    """Return the state of a job; `base` is the address of the gateway as the caller sees it.

    Its output is a signed link, or a data URI where the request had `return_base64`.
    """
    failure = None
    if job.error:
        failure = {"name": ERRORS.get(job.error["code"], "PipelineError"), "message": job.error["detail"]}
    elif job.state == CANCELED:
        failure = {"name": "PipelineError", "message": "the job was canceled"}
    whole = job.request.get("contract", {}).get("return_base64", False)
    output = await _data_uri(gateway, job) if whole else picture_url(gateway, job, base)
    return {
        "id": job.id,
        "status": STATES[job.state],
        "output": [output] if output else None,
        "error": failure,
    }


async def _data_uri(gateway: Gateway, job: Job) -> str | None:
    """Return the picture of a job; None without one, or when it has expired."""
    if "image" not in (job.result or {}):
        return None
    async with gateway.database.reading() as session:
        file = await session.get(File, (job.result or {})["image"]["file_id"])
    if file is None:
        return None
    content = base64.b64encode(await gateway.pictures.get(file.path)).decode()
    return f"data:{file.media_type};base64,{content}"
