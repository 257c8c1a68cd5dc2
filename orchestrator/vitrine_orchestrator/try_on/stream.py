"""The pipeline `try_on_stream`: the same as `try_on`, with progress events and previews."""

from __future__ import annotations

import numpy as np

from vitrine_orchestrator.person.prepare import picture as as_picture
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.denoising import RunLog
from vitrine_orchestrator.pipeline.progress import ProgressSender, Send, event_array
from vitrine_orchestrator.pipeline.request_context import read_aside
from vitrine_orchestrator.pipeline.try_on_request import read_request
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.pipeline import run
from vitrine_orchestrator.wire.fields import Inputs


async def try_on_stream(context: TryOnContext, inputs: Inputs, send: Send) -> dict[str, np.ndarray]:
    """Send progress events during the work; return the last response: `try_on`'s outputs and its event."""
    stages = Timed(context.stages)
    with stages.measured("total"), stages.measured("decode"):
        request = await read_aside(lambda: read_request(context, inputs), inputs)

    async def painted(latents: np.ndarray) -> Picture:
        answer = await context.stages("vae_decoder", {"latents": latents[None]})
        return as_picture(answer["pixels"][0])

    follow = ProgressSender(context.stages, request, send, painted)
    outputs = await run(context, request, RunLog(stages), follow)
    return {"event": event_array("result"), **outputs}
