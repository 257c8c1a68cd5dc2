"""FASHN VTON's `try_on_stream`: the same as its `try_on`, with progress events and previews."""

from __future__ import annotations

import numpy as np

from vitrine_orchestrator.fashn.canvas import as_picture
from vitrine_orchestrator.fashn.context import FashnContext
from vitrine_orchestrator.fashn.pipeline import run
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.progress import Send
from vitrine_orchestrator.pipeline.try_on import streamed
from vitrine_orchestrator.wire.fields import Inputs


async def try_on_stream(context: FashnContext, inputs: Inputs, send: Send) -> dict[str, np.ndarray]:
    """Send progress events during the work; return the last response: `try_on`'s outputs and its event."""

    async def painted(state: np.ndarray) -> Picture:
        return np.ascontiguousarray(as_picture(state))

    return await streamed(context, inputs, send, run, painted)
