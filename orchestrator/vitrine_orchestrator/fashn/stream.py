"""FASHN VTON's `try_on_stream`: the same as its `try_on`, with progress events and previews."""

from __future__ import annotations

import numpy as np

from vitrine_orchestrator.fashn.canvas import as_picture
from vitrine_orchestrator.fashn.context import FashnContext
from vitrine_orchestrator.fashn.pipeline import run
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.denoising import RunLog
from vitrine_orchestrator.pipeline.progress import ProgressSender, Send, event_array
from vitrine_orchestrator.pipeline.request_context import read_aside
from vitrine_orchestrator.pipeline.try_on_request import read_request
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.fields import Inputs


async def try_on_stream(context: FashnContext, inputs: Inputs, send: Send) -> dict[str, np.ndarray]:
    """Send progress events during the work; return the last response: `try_on`'s outputs and its event."""
    stages = Timed(context.stages)
    with stages.measured("total"), stages.measured("decode"):
        request = await read_aside(lambda: read_request(context, inputs), inputs)

    async def painted(state: np.ndarray) -> Picture:
        return np.ascontiguousarray(as_picture(state))

    follow = ProgressSender(context.stages, request, send, painted)
    outputs = await run(context, request, RunLog(stages), follow)
    return {"event": event_array("result"), **outputs}
