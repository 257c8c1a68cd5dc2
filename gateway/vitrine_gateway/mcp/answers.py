"""What tools answer about a job: a sentence, a small picture, a link to the whole one, and data."""

from __future__ import annotations

import base64

from mcp_types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent
from vitrine.errors import NotFound

from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.jobs.state_names import ENDED, FAILED, SUCCEEDED
from vitrine_gateway.jobs.views import view_now
from vitrine_gateway.mcp.visits import Visit
from vitrine_gateway.pictures.previews import preview

Content = list[ContentBlock]


async def answer_of(visit: Visit, job: Job, *, failure_is_error: bool = False) -> CallToolResult:
    """Return the job as the answer of a tool."""
    view = await view_now(visit.gateway, job, visit.base)
    content: Content = [TextContent(type="text", text=_sentence(job))]
    shown = view["result"] if job.state == SUCCEEDED else view["preview"]
    if shown and "image" in shown:
        content += await _picture(visit, shown["image"])
    failed = failure_is_error and job.state == FAILED
    return CallToolResult(content=content, structured_content=view, is_error=failed)


def _sentence(job: Job) -> str:
    if job.error:
        return f"{job.id} {job.state}: {job.error['detail']}"
    percent = f" ({job.progress['percent']} %)" if job.progress and job.state not in ENDED else ""
    more = "" if job.state in ENDED else "; ask check_generation_status for it again"
    return f"{job.id} {'is ' if job.state not in ENDED else ''}{job.state}{percent}{more}"


async def _picture(visit: Visit, image: dict[str, str]) -> Content:
    """Return the preview and the link; a sentence alone if the picture has expired or was erased."""
    gateway = visit.gateway
    async with gateway.database.reading() as session:
        file = await session.get(File, image["file_id"])
    try:
        if file is None:
            raise NotFound("it has no row")
        small = await preview(await gateway.pictures.get(file.path))
    except NotFound:
        return [TextContent(type="text", text="its picture has expired or was erased")]
    data = base64.b64encode(small).decode()
    return [
        ImageContent(type="image", data=data, mime_type="image/jpeg"),
        ResourceLink(
            type="resource_link",
            name=file.id,
            uri=image["url"],
            mime_type=file.media_type,
            size=file.size,
            description=f"the whole picture, {file.width} x {file.height}; the link is valid for a while",
        ),
    ]
